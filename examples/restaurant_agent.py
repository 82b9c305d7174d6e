"""A restaurant that takes bookings by telephone: a Retell LLM with states and tools, and the web service of its tools.

Start a server with a model behind it (docs/how-to/choose-your-model.md) that may reach this machine, then this program:

    RETOLD_LLM__BASE_URL=http://127.0.0.1:11434/v1 RETOLD_LLM__MODEL=qwen3:8b \
        RETOLD_ALLOW_PRIVATE_HOSTS=127.0.0.1:8092 retold serve
    RETOLD_API_KEY=... python examples/restaurant_agent.py

It makes the agent, prints its id, and answers its tools until it is interrupted.
`python examples/try_it.py restaurant` does all this and places a call.
"""

import argparse
import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.request import Request, urlopen

SEATS = {"18:00": 2, "19:00": 8, "20:00": 4}
"""Free seats this evening."""


GUESTS = {"type": "integer", "description": "How many people come."}
TIME = {"type": "string", "description": "When they come, such as 19:00."}
NAME = {"type": "string", "description": "The name for the booking."}


def object_of(**properties: dict[str, Any]) -> dict[str, Any]:
    """The JSON schema of arguments that are all needed."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def restaurant(tools_url: str) -> dict[str, Any]:
    """The Retell LLM: what to say where, which tools there are, and how the conversation goes on."""
    return {
        "model": "gpt-4.1",
        "begin_message": "Good evening, this is {{restaurant}}. How can I help you?",
        "default_dynamic_variables": {"restaurant": "the Blue Olive"},
        "general_prompt": (
            "You answer the telephone of {{restaurant}}. It is {{current_time}}. You speak in short sentences, ask"
            " for one thing at a time, and never make up a table: only the tools know what is free."
        ),
        "general_tools": [
            {"type": "end_call", "name": "end_call", "description": "When all is said, after a goodbye."}
        ],
        "starting_state": "reception",
        "states": [
            {
                "name": "reception",
                "state_prompt": "Find out what the caller wants. Opening hours: every day from six to eleven.",
                "edges": [
                    {
                        "destination_state_name": "booking",
                        "description": "The caller wants a table and has said for how many.",
                        "parameters": object_of(guests=GUESTS),
                    }
                ],
            },
            {
                "name": "booking",
                "state_prompt": "Book for {{guests}}: see what is free, ask for the time, then for the name, and book.",
                "tools": booking_tools(tools_url),
            },
        ],
    }


def booking_tools(tools_url: str) -> list[dict[str, Any]]:
    """What the agent can do while it books; `Tools` below answers both."""
    return [
        {
            "type": "custom",
            "name": "free_tables",
            "description": "Say at which times there is a table for so many.",
            "url": f"{tools_url}/free_tables",
            "parameters": object_of(guests=GUESTS),
            "speak_during_execution": True,
            "execution_message_type": "static_text",
            "execution_message_description": "Let me look into the book.",
        },
        {
            "type": "custom",
            "name": "book_table",
            "description": "Book a table that is free.",
            "url": f"{tools_url}/book_table",
            "parameters": object_of(guests=GUESTS, time=TIME, name=NAME),
            "response_variables": {"booking_number": "number"},
        },
    ]


class Tools(BaseHTTPRequestHandler):
    """The web service that the custom tools ask: `{"name": ..., "call": ..., "args": {...}}` in, JSON out."""

    def do_POST(self) -> None:
        """Answer one tool."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["args"]
        is_booking = self.path == "/book_table"
        answer = json.dumps(book(**asked) if is_booking else free(**asked)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


def free(guests: int) -> dict[str, Any]:
    """The times with a table for so many."""
    return {"free": [time for time, seats in SEATS.items() if seats >= guests]}


def book(guests: int, time: str, name: str) -> dict[str, Any]:
    """Take the seats, if they are there."""
    if SEATS.get(time, 0) < guests:
        return {"booked": False, "why": f"no table for {guests} at {time}"}
    SEATS[time] -= guests
    return {"booked": True, "number": f"{name[:1].upper()}-{time[:2]}{guests}"}


def post(server: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Ask the API of the server. Raises HTTPError."""
    headers = {"Authorization": f"Bearer {os.environ['RETOLD_API_KEY']}", "Content-Type": "application/json"}
    request = Request(server + path, json.dumps(body).encode(), headers)  # noqa: S310 - the address is the operator's
    with urlopen(request, timeout=30) as answer:  # noqa: S310 - as above
        return json.loads(answer.read())


def main() -> None:
    """Make the agent and serve its tools until interrupted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--server", default="http://127.0.0.1:8080", help="the Retold server")
    parser.add_argument("--port", type=int, default=8092, help="of the tools' web service; 0 takes a free one")
    options = parser.parse_args()
    tools = ThreadingHTTPServer(("127.0.0.1", options.port), Tools)
    llm = post(options.server, "/create-retell-llm", restaurant(f"http://127.0.0.1:{tools.server_port}"))
    engine = {"type": "retell-llm", "llm_id": llm["llm_id"]}
    agent = {"agent_name": "The Blue Olive", "voice_id": "default", "response_engine": engine}
    print("agent", post(options.server, "/create-agent", agent)["agent_id"], flush=True)
    tools.serve_forever()


if __name__ == "__main__":
    main()
