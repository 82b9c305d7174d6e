"""A stand-in for Cal.com's API v2, true to the wire: its addresses, versions, refusals and answers."""

from dataclasses import dataclass, field
from typing import Any

from support.web_server import WebRequest, answer

KEY = "cal_live_0123456789abcdef"
SLOTS_VERSION = "2024-09-04"
BOOKINGS_VERSION = "2026-02-25"
EVENT_TYPE = 123
FREE = {
    "2026-03-28": [{"start": "2026-03-28T09:00:00.000-07:00"}, {"start": "2026-03-28T09:30:00.000-07:00"}],
    "2026-03-30": [{"start": "2026-03-30T14:00:00.000-07:00"}],
}


@dataclass
class CalCom:
    """One account with one event type; a time is booked once."""

    booked: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    """Bookings by their time in UTC."""
    needs_confirmation: bool = False

    def respond(self, request: WebRequest) -> bytes:
        """What Cal.com answers."""
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return _error(401, "UnauthorizedException", "Invalid API Key", request)
        version = request.headers.get("cal-api-version")
        if (request.method, request.path, version) == ("GET", "/v2/slots", SLOTS_VERSION):
            return self._slots(request)
        if (request.method, request.path, version) == ("POST", "/v2/bookings", BOOKINGS_VERSION):
            return self._book(request)
        return _error(404, "NotFoundException", f"Cannot {request.method} {request.target}", request)

    def _slots(self, request: WebRequest) -> bytes:
        if request.query.get("eventTypeId") != str(EVENT_TYPE):
            return _error(404, "NotFoundException", "Event Type not found", request)
        first, last = request.query["start"], request.query["end"]
        days = {day: slots for day, slots in FREE.items() if first <= day <= last}
        return answer({"data": days, "status": "success"}, 200, Content_Type="application/json; charset=utf-8")

    def _book(self, request: WebRequest) -> bytes:
        asked = request.json
        missing = [name for name in ("name", "email", "timeZone") if not asked["attendee"].get(name)]
        if missing:
            return _error(400, "BadRequestException", f"attendee.{missing[0]} should not be empty", request)
        if asked["start"] in self.booked:
            taken = "User either already has booking at this time or is not available"
            return _error(400, "BadRequestException", taken, request)
        self.booked[asked["start"]] = asked
        data = {
            "id": 7,
            "uid": "aBcD1234",
            "title": "30 min meeting",
            "status": "pending" if self.needs_confirmation else "accepted",
            "start": asked["start"].replace("Z", ".000Z"),
            "duration": 30,
            "eventTypeId": asked["eventTypeId"],
            "attendees": [asked["attendee"]],
        }
        return answer({"status": "success", "data": data}, 201, Content_Type="application/json; charset=utf-8")


def _error(status: int, code: str, message: str, request: WebRequest) -> bytes:
    details = {"message": message, "error": code, "statusCode": status}
    body = {
        "status": "error",
        "timestamp": "2026-03-01T00:00:00.000Z",
        "path": request.target,
        "error": {"code": code, "message": message, "details": details},
    }
    return answer(body, status, Content_Type="application/json; charset=utf-8")
