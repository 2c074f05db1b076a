"""A FastAPI server behind Vestibule: who is speaking, data in the session, a WebSocket.

    VESTIBULE_VERIFY=proof VESTIBULE_URL=https://chat.example VESTIBULE_ORIGIN_KEY=… \
        python -m vestibule_session.serve fastapi_app:app --workers 2
"""

from typing import Annotated, Any

from fastapi import Depends, FastAPI, WebSocket, WebSocketDisconnect
from pydantic import BaseModel

from vestibule_session import Session, SessionMiddleware, current_session

app = FastAPI()
app.add_middleware(SessionMiddleware, open_paths=["/healthz"])


async def whole_session() -> Session:
    """Reads data that is too large for a request, through the session API."""
    session = current_session()
    return await session.arefresh() if session.data_omitted else session


CurrentSession = Annotated[Session, Depends(whole_session)]


def description(session: Session) -> dict[str, Any]:
    return {
        "id": session.id,
        "user": session.user,
        "name": session.name,
        "groups": session.groups,
        "data": dict(session.data),
        "state": session.state.value,
    }


@app.get("/healthz")
async def healthz() -> str:
    return "ok"


@app.get("/")
async def who(session: CurrentSession) -> dict[str, Any]:
    return description(session)


@app.post("/visits")
async def count_visit(session: CurrentSession) -> dict[str, Any]:
    """Changes the session with the response: no call to Vestibule is made."""
    return description(session.patch({"visits": session.data.get("visits", 0) + 1}))


class SignIn(BaseModel):
    user: str
    name: str | None = None
    groups: list[str] = []


@app.post("/sign-in")
async def sign_in(who: SignIn, session: CurrentSession) -> dict[str, Any]:
    """Your own sign-in: check a password first. The browser gets a new cookie."""
    return description(session.identify(who.user, name=who.name, groups=who.groups))


@app.post("/sign-out")
async def sign_out(session: CurrentSession) -> dict[str, Any]:
    session.destroy()
    return {}


@app.websocket("/chat")
async def chat(socket: WebSocket) -> None:
    """Changes the session through the session API: a WebSocket has no response headers."""
    await socket.accept()
    session = await whole_session()
    try:
        while True:
            text = await socket.receive_text()
            count = session.data.get("messages", 0) + 1
            session = await session.apatch({"messages": count})
            if text == "end the session":
                await session.adestroy()
            await socket.send_json({"message": count, "text": text})
    except WebSocketDisconnect:
        pass
