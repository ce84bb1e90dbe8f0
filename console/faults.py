"""The one fault of the servers around the demo: a sentence for the person at the terminal, never a traceback."""


class ServerFault(Exception):
    """A server cannot be started or used; the message is one line that says why and what to do."""
