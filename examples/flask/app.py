"""oxicorn --chdir examples/flask app:app"""

from flask import Flask, jsonify

app = Flask(__name__)


@app.get("/")
def index():
    """Greet."""
    return "Hello from Flask!\n"


@app.get("/square/<int:number>")
def square(number):
    """Compute."""
    return jsonify(number=number, square=number * number)
