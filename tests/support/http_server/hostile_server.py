#!/usr/bin/env python3
"""An HTTP server on loopback that misbehaves on demand.

    hostile_server.py ROOT [--tls CERTIFICATE KEY]

Serves the files of ROOT with ETag, Last-Modified, Range, If-Range and If-None-Match. Prints its
port and serves until standard input is closed, so it dies with the test that started it.

ROOT/.behaviours.json says how to misbehave: {"/path": [action, action, ...]}. The n-th request for
the path (query left out) takes the n-th action, the last one for ever; {} behaves well. Keys:
  status, body     answer this status with this text
  headers          headers to set; null leaves one out
  repeat           send the body this many times
  cut              close the connection after so many bytes of the body (below 1: that fraction)
  stall            seconds to sleep after `cut` bytes instead of closing
  rate             bytes per second
  chunked          no Content-Length, chunked encoding (a `cut` leaves out the last chunk)
  no_length        no Content-Length, the end of the connection ends the body
  ignore_range     answer 200 with the whole
  flip             change the byte at this offset
  delay            seconds before the answer
  header_drip      one header line each so many seconds, for ever
  hang_up          close without an answer
  endless          a body without end
  gzip             Content-Encoding: gzip
ROOT/.requests.log gets a line for each request: method, path with query, and the headers that
tests look at as name=value, separated by tabs.
"""
import email.utils
import gzip
import hashlib
import http.server
import json
import os
import pathlib
import re
import socketserver
import ssl
import sys
import threading
import time

LOGGED = ("range", "if-range", "if-none-match", "if-modified-since", "authorization", "user-agent",
          "proxy-authorization", "accept-encoding")


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 256
    allow_reuse_address = True

    def handle_error(self, request, client_address):
        pass  # clients that hang up are part of the tests


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    root = pathlib.Path()
    counts = {}
    lock = threading.Lock()

    def log_message(self, *arguments):
        pass

    def next_action(self, path):
        with Handler.lock:
            line = "\t".join([self.command, self.path] + [
                f"{name}={self.headers[name]}" for name in LOGGED if self.headers[name] is not None])
            with open(self.root / ".requests.log", "a", encoding="latin-1") as log:
                log.write(line + "\n")
            number = Handler.counts.get(path, 0)
            Handler.counts[path] = number + 1
            try:
                actions = json.loads((self.root / ".behaviours.json").read_text()).get(path, [{}])
            except FileNotFoundError:
                actions = [{}]
        return actions[min(number, len(actions) - 1)]

    def do_GET(self):
        target = self.path
        if target.startswith("http://"):  # we are the proxy
            target = "/" + target.split("/", 3)[3]
        path = target.split("?")[0]
        action = self.next_action(path)
        time.sleep(action.get("delay", 0))
        if action.get("hang_up"):
            self.close_connection = True
            return
        if "header_drip" in action:
            self.drip_headers(action["header_drip"])
            return
        file = self.root / path.lstrip("/")
        status, body, headers = action.get("status", 200), b"", {}
        if "body" in action:
            body = action["body"].encode("latin-1")
        elif status == 200 and not action.get("endless"):
            if not file.is_file():
                status, body = 404, b"not here"
            else:
                status, body, headers = self.file_answer(file, action)
        self.answer(status, body * action.get("repeat", 1), headers, action)

    def file_answer(self, file, action):
        body = file.read_bytes()
        etag = '"' + hashlib.md5(body).hexdigest() + '"'
        headers = {"ETag": etag, "Accept-Ranges": "bytes",
                   "Last-Modified": email.utils.formatdate(file.stat().st_mtime, usegmt=True)}
        if "flip" in action:
            body = bytearray(body)
            body[action["flip"]] ^= 0x20
            body = bytes(body)
        if self.headers["If-None-Match"] == etag:
            return 304, b"", headers
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
        if_range = self.headers["If-Range"]
        if wanted and not action.get("ignore_range") and if_range in (None, etag, headers["Last-Modified"]):
            first = int(wanted[1])
            if first >= len(body):
                headers["Content-Range"] = f"bytes */{len(body)}"
                return 416, b"", headers
            headers["Content-Range"] = f"bytes {first}-{len(body) - 1}/{len(body)}"
            return 206, body[first:], headers
        return 200, body, headers

    def answer(self, status, body, headers, action):
        if action.get("gzip"):
            body = gzip.compress(body)
            headers["Content-Encoding"] = "gzip"
        endless = action.get("endless")
        if action.get("chunked"):
            headers["Transfer-Encoding"] = "chunked"
        elif not action.get("no_length") and not endless:
            headers["Content-Length"] = str(len(body))
        else:
            headers["Connection"] = "close"
            self.close_connection = True
        headers.update(action.get("headers", {}))
        self.send_response(status)
        for name, value in headers.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        if status == 304 or self.command == "HEAD":
            return
        while endless:
            self.wfile.write(b"x" * 65536)
        cut = action.get("cut")
        if cut is not None:
            length = int(len(body) * cut) if isinstance(cut, float) and cut < 1 else int(cut)
            self.send_body(body[:length], action)
            self.wfile.flush()
            self.close_connection = True
            if "stall" in action:
                time.sleep(action["stall"])
            return
        self.send_body(body, action)
        if action.get("chunked"):
            self.wfile.write(b"0\r\n\r\n")

    def send_body(self, body, action):
        rate = action.get("rate")
        step = max(1, rate // 10) if rate else 65536
        for start in range(0, len(body), step):
            piece = body[start:start + step]
            if action.get("chunked"):
                piece = f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
            self.wfile.write(piece)
            if rate:
                self.wfile.flush()
                time.sleep(0.1)

    def drip_headers(self, seconds):
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        number = 0
        while True:
            self.wfile.write(f"X-Drip-{number}: x\r\n".encode())
            self.wfile.flush()
            number += 1
            time.sleep(seconds)

    do_HEAD = do_GET


def main():
    Handler.root = pathlib.Path(sys.argv[1])
    server = Server(("127.0.0.1", 0), Handler)
    if "--tls" in sys.argv:
        at = sys.argv.index("--tls")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[at + 1], sys.argv[at + 2])
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.write(1, f"{server.server_address[1]}\n".encode())
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
