"""The synthetic bank of the demo: its people, catalogue, response and history; nothing of it runs in a real bank."""
