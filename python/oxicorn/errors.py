"""The exceptions that the server and its users tell each other with."""


class ConfigError(Exception):
    """A setting, or a source of settings, is wrong. The message is for the operator."""


class AppImportError(Exception):
    """The application's module was imported, but there is no usable application in it."""


class HaltServer(BaseException):
    """Raised to stop the server with a reason and an exit status."""

    def __init__(self, reason: str, exit_status: int = 1) -> None:
        super().__init__(reason, exit_status)
        self.reason = reason
        self.exit_status = exit_status

    def __str__(self) -> str:
        return f"{self.reason} (exit status {self.exit_status})"
