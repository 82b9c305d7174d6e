"""Run the demo brain alone: `python -m retold.demo --port 8090`, then name it in an agent's `llm_websocket_url`."""

import argparse

import uvicorn

from retold.demo.app import PATH, app


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m retold.demo", description="Ada, the demo receptionist")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8090)
    options = parser.parse_args()
    print(f"llm_websocket_url: ws://{options.host}:{options.port}{PATH}", flush=True)  # noqa: T201 - a command's output
    uvicorn.run(app(), host=options.host, port=options.port, log_level="warning")


if __name__ == "__main__":
    main()
