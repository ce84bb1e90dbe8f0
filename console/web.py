"""How the web server is started; the demo and the benchmark use the same."""

import sys


def web_server(port: int, application: str = "console.wsgi", workers: int = 2) -> list[str]:
    """The command: two workers by default, threads in each so that one waits for Postgres while another computes."""
    return [
        sys.executable, "-m", "gunicorn", application, "--bind", f"127.0.0.1:{port}", "--workers", str(workers),
        "--worker-class", "gthread", "--threads", "4", "--keep-alive", "30", "--timeout", "120", "--no-control-socket",
    ]  # fmt: skip
