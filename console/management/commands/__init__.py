"""One module a command; a command translates its arguments and leaves the work to the domain."""
