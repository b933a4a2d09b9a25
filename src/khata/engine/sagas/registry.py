"""The sagas that a program knows, checked once and ready to be walked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from khata.engine.sagas.model import SagaRun
from khata.engine.sagas.steps import IMPOSSIBLE, NOTHING, Call, Local, Saga, Step
from khata.errors import Invalid, UnknownSaga


class Flow:
    """A saga with its steps by name and the step that follows each."""

    def __init__(self, saga: Saga) -> None:
        self.saga = saga
        self.steps: dict[str, Step] = {step.name: step for step in saga.steps}
        names = [step.name for step in saga.steps]
        if not names or len(self.steps) < len(names) or "" in self.steps:
            raise Invalid(
                f"The saga {saga.name} needs steps with names that differ.",
                expected="one or more, each named once",
                got=names,
            )
        self.first = names[0]
        self.after: dict[str, str] = dict(zip(names, [*names[1:], ""], strict=True))
        for step in saga.steps:
            _check_undo(saga, step)

    def undo_of(self, name: str) -> object:
        """How a step is undone: a function, a `Call`, `NOTHING` or `IMPOSSIBLE`."""
        return self.steps[name].undo

    def knows(self, run: SagaRun) -> bool:
        """Whether the run can go on along these steps."""
        wanted = {run.step, *run.done} if run.step else set(run.done)
        return wanted <= self.steps.keys()


def _check_undo(saga: Saga, step: Step) -> None:
    undo = step.undo
    if undo in (NOTHING, IMPOSSIBLE) or isinstance(undo, Call):
        return
    if not callable(undo) or isinstance(undo, Local):
        raise Invalid(
            f"{saga.name}.{step.name} does not say how it is undone.",
            expected="a function, a Call, NOTHING or IMPOSSIBLE",
            got=type(undo).__name__,
        )


class Sagas:
    """Definitions by name and version. `Sagas(*payments.SAGAS, checkout)`."""

    def __init__(self, *sagas: Saga) -> None:
        self._flows: dict[tuple[str, int], Flow] = {}
        for saga in sagas:
            key = (saga.name, saga.version)
            if key in self._flows:
                raise Invalid(
                    f"Two sagas are called {saga.name} in version {saga.version}.",
                    expected="a new version",
                    got=saga.version,
                )
            self._flows[key] = Flow(saga)
        self._newest = {
            name: max(version for other, version in self._flows if other == name)
            for name, _ in self._flows
        }
        for (name, _), flow in list(self._flows.items()):
            for version in flow.saga.adopts:
                self._flows.setdefault((name, version), flow)

    def __iter__(self) -> Iterator[Saga]:
        return (flow.saga for flow in dict.fromkeys(self._flows.values()))

    def __add__(self, more: Iterable[Saga]) -> Sagas:
        return Sagas(*self, *more)

    @property
    def known(self) -> list[tuple[str, int]]:
        """Every name and version whose runs can be worked on."""
        return sorted(self._flows)

    def newest(self, name: str) -> Flow:
        """What a new run follows. Errors: `UnknownSaga`."""
        version = self._newest.get(name)
        if version is None:
            raise UnknownSaga(
                f"No saga is called {name[:60]!r}.", expected=sorted(self._newest), got=name[:60]
            )
        return self._flows[name, version]

    def of(self, run: SagaRun) -> Flow:
        """What a run follows. Errors: `UnknownSaga`."""
        flow = self._flows.get((run.name, run.version))
        if flow is None:
            raise UnknownSaga(
                f"Version {run.version} of {run.name} is not known here, and no other adopts it.",
                expected=[f"{name} {version}" for name, version in self.known],
                got=f"{run.name} {run.version}",
            )
        return flow
