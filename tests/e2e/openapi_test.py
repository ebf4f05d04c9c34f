#!/usr/bin/env python3
"""The API's description, control/openapi.json, held against a running server: every path and method in it answers as
described, every answer has the form described, and every route is in it.

Usage: PORTCULLIS_BIN=build/release/bin tests/e2e/openapi_test.py [-v] [TEST...]
"""

import http.client
import json
import socket
import unittest

from changes import policy_text, start_dataplane, write_policies, write_stream
from processes import ROOT, Stage, wait_for


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(str(self.path))


class Description:
    def __init__(self, text):
        self.data = json.loads(text)

    def operations(self):
        for path, methods in self.data["paths"].items():
            for method, operation in methods.items():
                yield path, method.upper(), operation

    def resolve(self, schema):
        while "$ref" in schema:
            out = self.data
            for part in schema["$ref"].removeprefix("#/").split("/"):
                out = out[part]
            schema = out
        return schema

    def problems(self, value, schema, at="body"):
        """What is wrong with a value by a schema: the part of OpenAPI 3.0's schemas that the description uses."""
        schema = self.resolve(schema)
        unknown = set(schema) - {
            "type", "properties", "required", "additionalProperties", "items", "enum", "allOf", "minimum", "maximum",
            "maxLength", "default", "description",
        }
        if unknown:
            return [f"{at}: this test does not know {unknown}"]
        out = []
        for part in schema.get("allOf", []):
            out += self.problems(value, part, at)
        kinds = {
            "object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float),
        }
        if "type" in schema:
            kind = kinds[schema["type"]]
            if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
                return [f"{at}: {value!r} is no {schema['type']}"]
        if "enum" in schema and value not in schema["enum"]:
            out.append(f"{at}: {value!r} is none of {schema['enum']}")
        if "minimum" in schema and value < schema["minimum"]:
            out.append(f"{at}: {value!r} is too small")
        if isinstance(value, dict):
            properties = schema.get("properties", {})
            out += [f"{at}: {name} is missing" for name in schema.get("required", []) if name not in value]
            for name, member in value.items():
                more = schema.get("additionalProperties", True)
                if name in properties:
                    out += self.problems(member, properties[name], f"{at}.{name}")
                elif more is False:
                    out.append(f"{at}: {name} is not described")
                elif isinstance(more, dict):
                    out += self.problems(member, more, f"{at}.{name}")
        if isinstance(value, list) and "items" in schema:
            for i, item in enumerate(value):
                out += self.problems(item, schema["items"], f"{at}[{i}]")
        return out


class OpenApiTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.stage = Stage()
        cls.addClassCleanup(cls.stage.close)
        write_policies(cls.stage.folder)
        write_stream(cls.stage.folder, 2_000)
        start_dataplane(cls.stage, 2_000)
        cls.control = cls.stage.control("--state", cls.stage.folder / "state")
        cls.description = Description((ROOT / "control" / "openapi.json").read_text())
        wait_for(lambda: cls.ask("GET", "/healthz")[0] == 200, "control is ready")

    @classmethod
    def ask(cls, method, target, body=None, tcp=True):
        connection = (
            http.client.HTTPConnection("127.0.0.1", cls.control.port, timeout=60)
            if tcp
            else UnixConnection(cls.stage.folder / "control.sock")
        )
        try:
            connection.request(method, target, body=body)
            answer = connection.getresponse()
            return answer.status, answer.headers.get("Content-Type", "").split(";")[0], answer.read()
        finally:
            connection.close()

    def assert_described(self, operation, status, content_type, body):
        self.assertIn(str(status), operation["responses"], body)
        content = operation["responses"][str(status)]["content"]
        self.assertIn(content_type, content)
        if content_type == "application/json":
            self.assertEqual(self.description.problems(json.loads(body), content[content_type]["schema"]), [])

    def test_it_is_served_as_it_is(self):
        status, content_type, body = self.ask("GET", "/api/v1/openapi.json")
        self.assertEqual((status, content_type), (200, "application/json"))
        self.assertEqual(body.decode(), (ROOT / "control" / "openapi.json").read_text())
        self.assertTrue(self.description.data["openapi"].startswith("3.0."))

    def test_every_route_is_in_it_and_everything_in_it_is_a_route(self):
        self.assertNotIn("the API and its description differ", self.control.log())

    def test_every_get_answers_as_described(self):
        for path, method, operation in self.description.operations():
            if method != "GET":
                continue
            arguments = "&".join(f"{one['name']}={one['example']}" for one in operation.get("parameters", []))
            asks_for_some = any(one.get("required") for one in operation.get("parameters", []))
            for target in [f"{path}?{arguments}"] if asks_for_some else [path, f"{path}?{arguments}"]:
                for tcp in [True, False]:
                    with self.subTest(target=target, tcp=tcp):
                        answer = self.ask("GET", target, tcp=tcp)
                        self.assertEqual(answer[0], 200, answer)
                        self.assert_described(operation, *answer)
                        self.assertEqual(self.ask("HEAD", target, tcp=tcp)[2], b"")
            for one in operation.get("parameters", []):
                with self.subTest(path=path, wrong=one["name"]):
                    answer = self.ask("GET", f"{path}?{one['name']}=nonsense")
                    self.assertEqual(answer[0], 400)
                    self.assert_described(operation, *answer)

    def test_every_change_is_refused_over_tcp_and_without_sense(self):
        for path, method, operation in self.description.operations():
            if method == "GET":
                continue
            with self.subTest(path=path, method=method):
                over_tcp = self.ask(method, path, body="{}")
                self.assertEqual(over_tcp[0], 403)
                self.assert_described(operation, *over_tcp)
                if method == "DELETE":
                    continue
                nonsense = self.ask(method, path, body='{"nonsense": 1}', tcp=False)
                self.assertEqual(nonsense[0], 400, nonsense)
                self.assert_described(operation, *nonsense)

    def test_methods_that_are_not_in_it_are_refused(self):
        for path, methods in self.description.data["paths"].items():
            for method in {"GET", "POST", "PUT", "DELETE"} - {name.upper() for name in methods}:
                with self.subTest(path=path, method=method):
                    self.assertEqual(self.ask(method, path, tcp=False)[0], 405)

    def test_changes_answer_as_described(self):
        folder = self.stage.folder

        def change(path, body):
            answer = self.ask("POST", path, body=json.dumps(body), tcp=False)
            self.assert_described(self.description.data["paths"][path]["post"], *answer)
            return answer[0], json.loads(answer[2])

        def apply(shut, **more):
            body = {
                "file": str(folder / "policy.toml"),
                "policy": policy_text(shut),
                "lists": {str(folder / "smarthosts.list"): "192.0.2.25\n"},
                **more,
            }
            schema = self.description.data["components"]["schemas"]["Apply"]
            self.assertEqual(self.description.problems(body, schema), [])
            return change("/api/v1/apply", body)

        status, dry = apply(True, dry_run=True)
        self.assertEqual((status, dry["outcome"], dry["diff"]["changed"]), (200, "effective", 1))
        status, made = apply(True, confirm_timeout_seconds=600, comment="why", if_change=dry["previous"])
        self.assertEqual((status, made["state"]), (200, "pending"))
        self.assertEqual(change("/api/v1/confirm", {})[0], 200)
        self.assertEqual(change("/api/v1/confirm", {})[0], 409)
        self.assertEqual(apply(True)[1]["outcome"], "unchanged")
        self.assertEqual(apply(False, if_change=dry["previous"])[0], 409)
        self.assertEqual(apply(False, policy="nonsense = 1\n")[0], 422)
        self.assertEqual(change("/api/v1/rollback", {"change": 1})[0], 200)
        self.assertEqual(change("/api/v1/rollback", {"change": 99})[0], 409)
        answer = self.ask("GET", "/api/v1/history")
        self.assert_described(self.description.data["paths"]["/api/v1/history"]["get"], *answer)


if __name__ == "__main__":
    unittest.main()
