"""The common smoke-test application, in Flask."""

import hashlib
import os

from flask import Flask, Response, jsonify, redirect, request, send_file

app = Flask(__name__)
FILE = os.path.join(os.path.dirname(__file__), "static.txt")


@app.get("/")
def index():
    return "hello"


@app.get("/items/<int:number>")
def item(number):
    return jsonify(number=number, q=request.args.get("q"))


@app.post("/form")
def form():
    return jsonify(request.form.to_dict())


@app.post("/json")
def json_back():
    return jsonify(request.get_json())


@app.post("/upload")
def upload():
    file = request.files["file"]
    digest = hashlib.sha256(file.read()).hexdigest()
    return jsonify(name=file.filename, sha256=digest, note=request.form["note"])


@app.get("/stream")
def stream():
    return Response((f"line {number}\n" for number in range(50)), mimetype="text/plain")


@app.get("/cookies")
def cookies():
    response = jsonify(request.cookies.to_dict())
    response.set_cookie("one", "1")
    response.set_cookie("two", "2", httponly=True)
    return response


@app.get("/file")
def file():
    return send_file(FILE)


@app.get("/redirect")
def away():
    return redirect("/items/1")


@app.get("/error")
def error():
    raise ValueError("raised by a view")


@app.get("/scheme")
def scheme():
    return request.scheme
