"""The Customer.io Track API: requests, rate limit, answers, verdicts."""
