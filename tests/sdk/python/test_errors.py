import unittest

import openai

from stand import HELLO, client, mock


class Errors(unittest.TestCase):
    def refused(self, kind, key="everything", model="chat", **options):
        """Asks, expects the SDK's exception of this kind and gives it back."""
        with client(key) as asking, self.assertRaises(kind) as caught:
            asking.chat.completions.create(**{"model": model, "messages": HELLO, **options})
        return caught.exception

    def test_a_wrong_key(self):
        error = self.refused(openai.AuthenticationError, key="sk-nobody-has-this-key-0000")
        self.assertEqual(error.code, "401")
        self.assertNotIn("nobody-has", str(error))

    def test_a_key_that_has_run_out_or_is_blocked(self):
        self.assertEqual(self.refused(openai.AuthenticationError, key="expired").type, "expired_key")
        self.assertEqual(self.refused(openai.AuthenticationError, key="blocked").type, "auth_error")

    def test_a_model_that_is_not_configured(self):
        error = self.refused(openai.BadRequestError, model="nowhere")
        self.assertEqual(error.type, "invalid_request_error")
        self.assertIn("nowhere", error.message)

    def test_a_model_that_the_key_may_not_call(self):
        error = self.refused(openai.PermissionDeniedError, key="narrow", model="steady")
        self.assertEqual((error.type, error.param), ("key_model_access_denied", "model"))

    def test_no_messages(self):
        error = self.refused(openai.BadRequestError, messages=[])
        self.assertEqual(error.param, "messages")

    def test_a_client_cannot_choose_the_upstream(self):
        error = self.refused(openai.BadRequestError, extra_body={"api_base": "http://127.0.0.1:9/v1"})
        self.assertEqual(error.param, "api_base")

    def test_requests_beyond_the_limit(self):
        with client("once") as once:
            once.chat.completions.create(model="chat", messages=HELLO)
        error = self.refused(openai.RateLimitError, key="once")
        self.assertEqual((error.code, error.type), ("429", "throttling_error"))
        self.assertTrue(1 <= int(error.response.headers["retry-after"]) <= 60)

    def test_a_budget_that_is_spent(self):
        error = self.refused(openai.UnprocessableEntityError, key="poor")
        self.assertEqual(error.type, "budget_exceeded")

    def test_what_the_provider_refuses(self):
        for status, kind in (
            (400, openai.BadRequestError),
            (401, openai.AuthenticationError),
            (403, openai.PermissionDeniedError),
            (404, openai.NotFoundError),
            (409, openai.ConflictError),
            (422, openai.UnprocessableEntityError),
            (429, openai.RateLimitError),
            (500, openai.InternalServerError),
            (503, openai.InternalServerError),
        ):
            with self.subTest(status):
                error = self.refused(kind, extra_body=mock(status=status))
                self.assertEqual(error.status_code, status)
                self.assertTrue(error.message)
                self.assertNotIn("sk-provider", str(error))

    def test_a_provider_that_cannot_be_reached(self):
        self.assertEqual(self.refused(openai.InternalServerError, model="gone").status_code, 500)

    def test_a_provider_that_takes_longer_than_its_timeout(self):
        error = self.refused(openai.APIStatusError, model="hasty", extra_body=mock(latency_ms=20_000))
        self.assertEqual(error.status_code, 408)

    def test_a_failure_in_the_middle_of_a_stream(self):
        with client() as asking:
            stream = asking.chat.completions.create(
                model="chat", messages=HELLO, stream=True, extra_body=mock(chunks=20, cut_after=4)
            )
            seen = []
            with self.assertRaises(openai.APIError):
                for chunk in stream:
                    seen.append(chunk)
            self.assertTrue(seen)

    def test_a_failure_before_a_stream_is_a_plain_refusal(self):
        self.refused(openai.InternalServerError, stream=True, extra_body=mock(status=500))


if __name__ == "__main__":
    unittest.main()
