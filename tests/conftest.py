"""What every test run says first: the backends it covers, and why the others are missing."""

from minisd_kernels import backends


def pytest_report_header() -> list[str]:
    missing = {name: backends.missing_reason(name) for name in backends.FILES}
    return [f"backends: {', '.join(backends.available_backends())}"] + [
        f"backend {name} is not tested: {reason}" for name, reason in missing.items() if reason
    ]
