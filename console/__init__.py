"""The Django project and every HTML page; it may import all packages and none imports it."""
