"""Sends and receives CloudEvents with the Python SDK, as told by lines of JSON on standard input; what it did and what
it received are lines of JSON on standard output. test/conformance/peer.ts is the other side."""

import base64
import http.client
import json
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from cloudevents.core.bindings.http import HTTPMessage, from_http_event, to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent
from dateutil.parser import isoparse

JSON_TYPE = re.compile(r"^[^;]+[/+]json(;.*)?$")
ATTRIBUTES = ("id", "source", "type", "subject", "datacontenttype", "dataschema")
lock = threading.Lock()


def tell(line):
    with lock:
        print(json.dumps(line), flush=True)


def make(sample):
    attributes = {name: sample[name] for name in ATTRIBUTES if name in sample}
    if "time" in sample:
        attributes["time"] = isoparse(sample["time"])
    attributes.update(sample["extensions"])
    data = sample.get("json", sample.get("text"))
    if "base64" in sample:
        data = base64.b64decode(sample["base64"])
    return CloudEvent(attributes, data)


def carry_out(order):
    event = make(order["events"][0])
    message = to_structured_event(event) if order["mode"] == "structured" else to_binary_event(event)
    headers = dict(message.headers)
    if "charset" in order:
        headers["content-type"] += "; charset=" + order["charset"]
    url = urlsplit(order["url"])
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=30)
    try:
        connection.request("POST", url.path or "/", message.body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


def describe(event):
    attributes = event.get_attributes()
    found = {name: attributes[name] for name in ATTRIBUTES if name in attributes}
    if "time" in attributes:
        found["time"] = attributes["time"].isoformat()
    known = {*ATTRIBUTES, "time", "specversion"}
    found["extensions"] = {name: str(value) for name, value in attributes.items() if name not in known}
    data = event.get_data()
    if data is None:
        return found
    if isinstance(data, bytes):
        return {**found, "base64": base64.b64encode(data).decode()}
    if isinstance(data, str) and not JSON_TYPE.match(found.get("datacontenttype", "application/json")):
        return {**found, "text": data}
    return {**found, "json": data}


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        try:
            event = from_http_event(HTTPMessage(dict(self.headers.items()), body))
            tell({"received": describe(event)})
            self.send_response(202)
        except Exception as error:  # The other side shows it.
            tell({"error": repr(error)})
            self.send_response(400)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()
tell({"port": server.server_port})
for line in sys.stdin:
    try:
        tell({"status": carry_out(json.loads(line))})
    except Exception as error:  # The other side shows it.
        tell({"error": repr(error)})
