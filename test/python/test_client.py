"""The official Python client against a running server. The Go test that runs it says where that is.

Its calls block the whole interpreter, other threads included, until the server answers: so nothing here waits for two
things at once, and faulthandler ends what waits for ever, saying where.
"""

import faulthandler
import os
import time
import unittest
import urllib.parse
import urllib.request

from convex import ConvexClient, ConvexError, ConvexInt64

URL = os.environ["RUNLOG_TEST_URL"]
ISSUER = os.environ["RUNLOG_TEST_ISSUER"]
CONTROL = os.environ["RUNLOG_TEST_CONTROL"]

# How long a test may take, in seconds: machines that run tests are busy.
PATIENCE = 120


def token(**claims):
    with urllib.request.urlopen(f"{ISSUER}/token?{urllib.parse.urlencode(claims)}") as answer:
        return answer.read().decode()


def unique(prefix):
    return f"{prefix}-{os.getpid()}-{time.monotonic_ns()}"


class Watch:
    """A subscription whose values are waited for."""

    def __init__(self, client, name, args):
        self.subscription = client.subscribe(name, args)

    def until(self, want):
        """Takes values until `want` comes and returns those before it."""
        before = []
        for value in self.subscription:
            if value == want:
                return before
            before.append(value)
        raise AssertionError(f"the subscription ended before {want!r}; before that came {before!r}")


class Client(unittest.TestCase):
    def setUp(self):
        faulthandler.dump_traceback_later(PATIENCE, exit=True)
        self.addCleanup(faulthandler.cancel_dump_traceback_later)
        self.client = ConvexClient(URL)

    def test_call(self):
        channel = unique("call")
        self.assertEqual(self.client.query("messages:list", {"channel": channel}), [])
        self.assertRegex(self.client.mutation("messages:send", {"channel": channel, "body": "hi"}), "^[0-9a-z]{32}$")
        self.assertEqual(self.client.query("messages:list", {"channel": channel}), ["hi"])
        self.assertEqual(self.client.action("effects:twoMessages", {"channel": channel}), ["hi", "one", "two"])
        self.assertEqual(self.client.query("messages:default"), "the default export")

    def test_values(self):
        for value in [None, True, "é😀", 1.5, [1.0, "a"], {"a": {"b": []}}, b"\x00\xff", ConvexInt64(2**63 - 1)]:
            got = self.client.query("values:echo", {"value": value})
            self.assertEqual(got, value.value if isinstance(value, ConvexInt64) and isinstance(got, int) else value)

    def test_errors(self):
        with self.assertRaisesRegex(Exception, "out of cheese"):
            self.client.query("errors:throws")
        with self.assertRaises(ConvexError) as raised:
            self.client.mutation("errors:convexError", {"data": {"why": "because"}})
        self.assertEqual(raised.exception.data, {"why": "because"})
        with self.assertRaisesRegex(Exception, "Could not find public function for 'no:where'"):
            self.client.query("no:where")

    def test_subscribe(self):
        channel = unique("subscribe")
        watch = Watch(self.client, "messages:list", {"channel": channel})
        watch.until([])
        other = ConvexClient(URL)
        sent = []
        for n in range(5):
            sent.append(f"message {n}")
            other.mutation("messages:send", {"channel": channel, "body": sent[-1]})
            before = watch.until(sent)
            self.assertEqual(before, [], "a value came that no moment had")
        watch.subscription.unsubscribe()

    def test_user(self):
        channel = unique("user")
        self.assertIsNone(self.client.query("effects:whoami"))
        self.client.set_auth(token(sub="ada", name="Ada"))
        identity = self.client.query("effects:whoami")
        self.assertEqual((identity["subject"], identity["name"], identity["issuer"]), ("ada", "Ada", ISSUER))
        watch = Watch(self.client, "auth:notes", {"channel": channel})
        watch.until([])
        self.client.mutation("auth:note", {"channel": channel, "body": "mine"})
        watch.until(["mine"])
        self.client.set_auth(token(sub="bob"))
        watch.until([])  # the live query is another user's now
        self.client.clear_auth()
        self.assertIsNone(self.client.query("effects:whoami"))

    def test_restart(self):
        channel = unique("restart")
        self.client.set_auth(token(sub="ada"))
        watch = Watch(self.client, "messages:list", {"channel": channel})
        watch.until([])
        self.client.mutation("messages:send", {"channel": channel, "body": "before"})
        watch.until(["before"])
        for order in ["stop", "start"]:
            urllib.request.urlopen(urllib.request.Request(f"{CONTROL}/{order}", method="POST")).read()
        self.client.mutation("messages:send", {"channel": channel, "body": "after"})
        self.assertTrue(all(value == ["before"] for value in watch.until(["before", "after"])))
        self.assertEqual(self.client.query("effects:whoami")["subject"], "ada")


if __name__ == "__main__":
    unittest.main()
