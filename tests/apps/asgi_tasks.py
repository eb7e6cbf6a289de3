"""What applications and frameworks take for granted of the task that runs them; the path chooses."""

import asyncio
import contextvars
import gc
import sys

VARIABLE = contextvars.ContextVar("VARIABLE", default="unset")
released = {}
seen = []


async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        raise RuntimeError("not here")
    body = await PATHS[scope["path"]](scope, receive, send)
    if body is not None:
        await answer(send, body)


async def answer(send, body, status=200):
    body = str(body).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def variable(scope, receive, send):
    """Sets a variable, and tells what it was before; a task of its own sees it."""
    before = VARIABLE.get()
    VARIABLE.set("set")
    await asyncio.sleep(0)
    inner = await asyncio.create_task(value())
    return f"{before} {VARIABLE.get()} {inner}"


async def value():
    return VARIABLE.get()


async def current(scope, receive, send):
    """The task is one of the loop's, and stays the same."""
    task = asyncio.current_task()
    assert task in asyncio.all_tasks()
    await receive()
    assert asyncio.current_task() is task
    await asyncio.sleep(0)
    assert asyncio.current_task() is task
    return type(task).__name__


async def impatient(scope, receive, send):
    """Gives up waiting many times; how many futures are left of that."""
    await receive()
    for _ in range(50):
        try:
            await asyncio.wait_for(receive(), 0.001)
        except (TimeoutError, asyncio.TimeoutError):
            continue
    gc.collect()
    left = sum(isinstance(one, asyncio.Future) and one.cancelled() for one in gc.get_objects())
    return left


async def timeout(scope, receive, send):
    """asyncio.timeout ends a wait for a message, and the task goes on."""
    assert (await receive())["type"] == "http.request"
    try:
        if sys.version_info >= (3, 11):
            async with asyncio.timeout(0.02):
                await receive()
        else:
            await asyncio.wait_for(receive(), 0.02)
    except (TimeoutError, asyncio.TimeoutError):
        return "timed out"
    return "came back"


async def patient_upload(scope, receive, send):
    """Waits in small portions for each piece of the body: nothing may get lost."""
    body, waits = b"", 0
    while True:
        try:
            message = await asyncio.wait_for(receive(), 0.005)
        except (TimeoutError, asyncio.TimeoutError):
            waits += 1
            continue
        body += message["body"]
        if not message["more_body"]:
            return f"{waits > 0} {body.decode()}"


async def upload_by_task(scope, receive, send):
    """Receives in tasks of their own."""
    body = b""
    while True:
        message = await asyncio.create_task(receive())
        body += message["body"]
        if not message["more_body"]:
            return body.decode()


async def both(scope, receive, send):
    """Sends what it receives, from two tasks at once."""
    queue = asyncio.Queue()

    async def read():
        while True:
            message = await receive()
            await queue.put(message["body"])
            if not message["more_body"]:
                return await queue.put(None)

    async def write():
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while (piece := await queue.get()) is not None:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"."})

    await asyncio.gather(read(), write())


async def listen(scope, receive, send):
    """Tells a later request what came after the body."""
    await receive()
    waiting = asyncio.create_task(receive())
    await asyncio.wait([waiting], timeout=0.05)
    seen.append("early" if waiting.done() else "waits")
    seen.append((await waiting)["type"])


async def told(scope, receive, send):
    return " ".join(seen)


async def after_the_answer(scope, receive, send):
    await receive()
    await answer(send, "x")
    seen.append((await receive())["type"])


async def background(scope, receive, send):
    """Answers, and goes on until another request lets it."""
    await answer(send, "answered")
    released["event"] = asyncio.Event()
    await released["event"].wait()
    seen.append("background done")


async def release(scope, receive, send):
    released["event"].set()
    return "released"


async def cancelled(scope, receive, send):
    """Cancels itself while it waits."""
    task = asyncio.current_task()
    asyncio.get_running_loop().call_later(0.01, task.cancel)
    await receive()
    try:
        await receive()
    except asyncio.CancelledError:
        if hasattr(task, "uncancel"):
            task.uncancel()
        return "cancelled"
    return "not cancelled"


async def group(scope, receive, send):
    """anyio's groups and scopes: one task is cancelled by another."""
    import anyio

    await receive()
    result = []

    async def listener():
        try:
            await receive()
        except anyio.get_cancelled_exc_class():
            result.append("listener cancelled")
            raise

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listener)
        await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    with anyio.move_on_after(0.01) as scope:
        await receive()
    result.append(
        f"scope {scope.cancelled_caught if hasattr(scope, 'cancelled_caught') else scope.cancel_called}"
    )
    return ", ".join(result)


async def slow(scope, receive, send):
    await asyncio.sleep(0.05)
    return "slow"


async def quick(scope, receive, send):
    return "quick"


async def unawaited(scope, receive, send):
    """Gathers two sends at once."""
    await asyncio.gather(
        send({"type": "http.response.start", "status": 200, "headers": []}),
        send({"type": "http.response.body", "body": b"gathered"}),
    )


PATHS = {
    "/variable": variable,
    "/current": current,
    "/impatient": impatient,
    "/timeout": timeout,
    "/patient-upload": patient_upload,
    "/upload-by-task": upload_by_task,
    "/both": both,
    "/listen": listen,
    "/told": told,
    "/after-the-answer": after_the_answer,
    "/background": background,
    "/release": release,
    "/cancelled": cancelled,
    "/group": group,
    "/slow": slow,
    "/quick": quick,
    "/unawaited": unawaited,
}
