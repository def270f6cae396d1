"""Whether a regular expression can cost more than time in proportion to the text it is tried on.

Python's ``re`` backtracks: where a text can be read in two ways, it tries both.  A pattern becomes
an automaton whose states are what has been read, and the automaton is searched for the two shapes
that cost more than linear time (Weideman et al., "Analyzing Matching Time Behavior of Backtracking
Regular Expression Matchers by Using Ambiguity of NFA", 2016):

- exponential: a state that one word leads back to itself in two ways;
- polynomial: two states, the second reached from the first, that one word leads from the first to
  itself, from the first to the second, and from the second to itself.

``re.search`` tries every place of a text, which is one more loop before the pattern.  An atomic
group is entered in one way only, so it is made deterministic; a possessive repeat of one character
ends only before a character that it does not take.  What cannot be known exactly counts as worse:
bounded repeats count as endless, lookarounds as fulfilled, back references are not accepted.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from re import _constants, _parser
from typing import Any, Final, NamedTuple

END: Final = -1
"""Stands for the end of the text where a guard says what may come next."""
_EXPANDED: Final = 4
"""Repeats of up to so many are written out; longer ones count as endless."""
_ODD_CHARACTERS: Final = "\u0130\u017f\u2028\u202e\u3002\ufeff\uff11\U0001f600"

Atoms = frozenset[int]


class UnprovableError(Exception):
    """A pattern with a part that no bound can be proven for."""


class Finding(NamedTuple):
    """How a text makes a pattern slow: ``prefix``, then ``pump`` again and again."""

    kind: str
    prefix: str
    pump: str


class _Guard(NamedTuple):
    """When an empty step may be taken."""

    following: Atoms | None = None
    preceding: Atoms | None = None
    at_start: bool = False


@dataclass(slots=True)
class _Node:
    empty: list[tuple[int, _Guard]] = field(default_factory=list)
    reads: list[tuple[Atoms, int]] = field(default_factory=list)


class _Alphabet:
    """Characters that no class of a pattern tells apart are one atom."""

    def __init__(self, is_bytes: bool, classes: Iterable[Callable[[str], bool]]) -> None:
        characters = [chr(code) for code in range(256)]
        characters += [] if is_bytes else [chr(code) for code in range(256, 0x250)]
        characters += [] if is_bytes else list(_ODD_CHARACTERS)
        tests = list(classes)
        signatures: dict[tuple[bool, ...], int] = {}
        self.examples: list[str] = []
        self._atom: dict[str, int] = {}
        for character in sorted(characters, key=lambda each: (not each.isalnum(), each)):
            signature = tuple(test(character) for test in tests)
            if signature not in signatures:
                signatures[signature] = len(self.examples)
                self.examples.append(character)
            self._atom[character] = signatures[signature]
        self.all = frozenset(range(len(self.examples)))

    def of(self, test: Callable[[str], bool]) -> Atoms:
        return frozenset(at for at, example in enumerate(self.examples) if test(example))

    def text(self, word: Iterable[int]) -> str:
        return "".join(self.examples[atom] for atom in word)


def _class_test(item: Any, flags: int, is_bytes: bool) -> Callable[[str], bool]:
    """Whether a character fits an item that reads one, as ``re`` itself says."""
    state = _parser.State()
    state.flags = flags
    state.str = b"" if is_bytes else ""
    parsed = _parser.SubPattern(state, [item])
    compiled = re._compiler.compile(parsed, flags)  # type: ignore[attr-defined]
    if is_bytes:
        return lambda character: compiled.match(character.encode("latin-1")) is not None
    return lambda character: compiled.match(character) is not None


_ONE = frozenset({_constants.LITERAL, _constants.NOT_LITERAL, _constants.IN, _constants.ANY})
_REPEATS = frozenset({_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT})


def _items(parsed: Iterable[Any], flags: int) -> Iterator[tuple[Any, int]]:
    """Every item that reads one character, with the flags that hold there."""
    for operator, argument in parsed:
        if operator in _ONE:
            yield (operator, argument), flags
        elif operator is _constants.BRANCH:
            for branch in argument[1]:
                yield from _items(branch, flags)
        elif operator is _constants.SUBPATTERN:
            _, added, removed, inner = argument
            yield from _items(inner, (flags | added) & ~removed)
        elif operator in _REPEATS:
            yield from _items(argument[2], flags)
        elif operator is _constants.ATOMIC_GROUP:
            yield from _items(argument, flags)
        elif operator in (_constants.ASSERT, _constants.ASSERT_NOT):
            yield from _items(argument[1], flags)


class _Builder:
    """Makes an automaton with empty steps of a parsed pattern."""

    def __init__(self, alphabet: _Alphabet, is_bytes: bool) -> None:
        self.nodes: list[_Node] = []
        self._alphabet = alphabet
        self._is_bytes = is_bytes

    def node(self) -> int:
        self.nodes.append(_Node())
        return len(self.nodes) - 1

    def link(self, start: int, end: int, guard: _Guard = _Guard()) -> None:  # noqa: B008
        self.nodes[start].empty.append((end, guard))

    def atoms(self, item: Any, flags: int) -> Atoms:
        return self._alphabet.of(_class_test(item, flags, self._is_bytes))

    def sequence(self, parsed: Iterable[Any], flags: int, start: int) -> int:
        for item in parsed:
            start = self._item(item, flags, start)
        return start

    def _item(self, item: Any, flags: int, start: int) -> int:  # noqa: PLR0911
        operator, argument = item
        if operator in _ONE:
            end = self.node()
            self.nodes[start].reads.append((self.atoms(item, flags), end))
            return end
        if operator is _constants.SUBPATTERN:
            _, added, removed, inner = argument
            return self.sequence(inner, (flags | added) & ~removed, start)
        if operator is _constants.BRANCH:
            end = self.node()
            for branch in argument[1]:
                begin = self.node()
                self.link(start, begin)
                self.link(self.sequence(branch, flags, begin), end)
            return end
        if operator in _REPEATS:
            return self._repeat(operator, argument, flags, start)
        if operator is _constants.ATOMIC_GROUP:
            return self._atomic(argument, flags, start)
        if operator is _constants.AT:
            end = self.node()
            self.link(start, end, self._anchor(argument, flags))
            return end
        if operator in (_constants.ASSERT, _constants.ASSERT_NOT):
            return self._look(operator, argument, flags, start)
        raise UnprovableError(f"{operator} is not understood")

    def _anchor(self, anchor: Any, flags: int) -> _Guard:
        multiline = bool(flags & re.MULTILINE)
        if anchor is _constants.AT_BEGINNING and not multiline:
            return _Guard(at_start=True)
        if anchor is _constants.AT_BEGINNING_STRING:
            return _Guard(at_start=True)
        if anchor is _constants.AT_END:
            return _Guard(following=self._alphabet.of("\n".__eq__) | {END})
        if anchor is _constants.AT_END_STRING:
            return _Guard(following=frozenset({END}))
        return _Guard()

    def _look(self, operator: Any, argument: Any, flags: int, start: int) -> int:
        direction, inner = argument
        end = self.node()
        single = len(inner) == 1 and inner[0][0] in _ONE
        guard = _Guard()
        if single:
            fitting = self.atoms(inner[0], flags)
            if operator is _constants.ASSERT_NOT:
                fitting = self._alphabet.all - fitting | {END}
            guard = _Guard(following=fitting) if direction > 0 else _Guard(preceding=fitting)
        elif direction > 0:  # its own work counts, and leads nowhere
            begin = self.node()
            self.link(start, begin)
            self.sequence(inner, flags, begin)
        self.link(start, end, guard)
        return end

    def _repeat(self, operator: Any, argument: Any, flags: int, start: int) -> int:
        least, most, inner = argument
        if most > 1 and inner.getwidth()[0] == 0:
            raise UnprovableError("a repeat of what may be empty can be read in many ways")
        possessive = operator is _constants.POSSESSIVE_REPEAT
        if possessive and most == 1:
            return self._atomic([(_constants.MAX_REPEAT, argument)], flags, start)
        single = len(inner) == 1 and inner[0][0] in _ONE
        if most <= _EXPANDED:
            end = self.node()
            for count in range(most):
                if count >= least:
                    self.link(start, end)
                start = self._body(possessive, inner, flags, start)
            self.link(start, end)
            return end
        leave = _Guard()
        if possessive and single and most is _constants.MAXREPEAT:
            leave = _Guard(following=self._alphabet.all - self.atoms(inner[0], flags) | {END})
        head, end = self.node(), self.node()
        if least:
            start = self._body(possessive, inner, flags, start)
        self.link(start, head)
        self.link(self._body(possessive, inner, flags, head), head)
        self.link(head, end, leave)
        return end

    def _body(self, possessive: bool, inner: Any, flags: int, start: int) -> int:
        return (
            self._atomic(inner, flags, start) if possessive else self.sequence(inner, flags, start)
        )

    def _atomic(self, inner: Any, flags: int, start: int) -> int:
        """An atomic group as a deterministic automaton: each text leads through it in one way."""
        part = _Builder(self._alphabet, self._is_bytes)
        begin = part.node()
        done = part.sequence(inner, flags, begin)
        automaton = Automaton(part.nodes, begin, done, self._alphabet, self._alphabet.all | {END})
        automaton.refuse_ambiguous()
        if automaton.looks_back:  # before the group, where this automaton knows nothing
            return self.sequence(inner, flags, start)
        end = self.node()
        first = frozenset({automaton.initial})
        known = {first: self.node()}
        self.link(start, known[first])
        waiting = [first]
        while waiting:
            states = waiting.pop()
            accepting: Atoms = frozenset().union(*(automaton.accepts[each] for each in states))
            if accepting:
                self.link(known[states], end, _Guard(following=accepting))
            for atom in self._alphabet.all:
                reached = frozenset(
                    target for state in states for target, _ in automaton.steps[state].get(atom, ())
                )
                if not reached:
                    continue
                if reached not in known:
                    known[reached] = self.node()
                    waiting.append(reached)
                self.nodes[known[states]].reads.append((frozenset({atom}), known[reached]))
        return end


State = tuple[int, int | None]


class Automaton:
    """An automaton without empty steps: for each state and atom, the states that follow.

    A step has a number, as two empty ways to one state are two ways.
    """

    def __init__(
        self, nodes: Sequence[_Node], begin: int, done: int, alphabet: _Alphabet, accepted: Atoms
    ) -> None:
        self._nodes = nodes
        self._done = done
        self._accepted = accepted
        self.alphabet = alphabet
        self.looks_back = any(
            guard.preceding is not None for node in nodes for _, guard in node.empty
        )
        self.initial: State = (begin, None)
        self.steps: dict[State, dict[int, list[tuple[State, int]]]] = {}
        self.accepts: dict[State, Atoms] = {}
        waiting: list[State] = [self.initial]
        while waiting:
            state = waiting.pop()
            if state in self.steps:
                continue
            self._close(state)
            waiting += {target for each in self.steps[state].values() for target, _ in each}

    def _close(self, state: State) -> None:
        """Follow every empty way from a state."""
        steps: dict[int, list[tuple[State, int]]] = {}
        accepts: Atoms = frozenset()
        number = 0
        ways: list[tuple[int, Atoms, frozenset[int]]] = [
            (state[0], self.alphabet.all | {END}, frozenset({state[0]}))
        ]
        while ways:
            place, allowed, seen = ways.pop()
            if place == self._done:
                accepts |= allowed & self._accepted
            for atoms, target in self._nodes[place].reads:
                number += 1
                for atom in atoms & allowed:
                    reached = (target, atom if self.looks_back else None)
                    steps.setdefault(atom, []).append((reached, number))
            for target, guard in self._nodes[place].empty:
                if target in seen or not self._may_pass(state, guard):
                    continue
                left = allowed if guard.following is None else allowed & guard.following
                if left:
                    ways.append((target, left, seen | {target}))
        self.steps[state] = steps
        self.accepts[state] = accepts

    def _may_pass(self, state: State, guard: _Guard) -> bool:
        if guard.at_start:
            return state == self.initial
        if guard.preceding is None:
            return True
        return (END if state[1] is None else state[1]) in guard.preceding

    @cached_property
    def components(self) -> dict[State, frozenset[State]]:
        """For each state on a loop, the states it shares one with."""
        reach = {state: self._reachable(state) for state in self.steps}
        return {
            state: frozenset(each for each in reach[state] if state in reach[each])
            for state in self.steps
            if state in reach[state]
        }

    def _reachable(self, state: State) -> frozenset[State]:
        found: set[State] = set()
        waiting = [state]
        while waiting:
            for each in self.steps[waiting.pop()].values():
                for target, _ in each:
                    if target not in found:
                        found.add(target)
                        waiting.append(target)
        return frozenset(found)

    def refuse_ambiguous(self) -> None:
        """Raise ``UnprovableError`` for what an atomic group costs inside itself."""
        for found in self.findings(None):
            raise UnprovableError(f"within an atomic group: {found}")

    def findings(
        self, search: int | None, certain: frozenset[State] = frozenset()
    ) -> Iterator[Finding]:
        """What makes the pattern slow.

        Args:
            search: the state that stands for ``re.search``.
            certain: the states in which a match is certain.
        """
        for state in self.components:
            if pump := self._exponential(state):
                yield Finding("exponential", self._way_to(state), pump)
                return
        for first, second in product(self.components, repeat=2):
            if first == second:
                continue
            if first[0] == search and second in certain:
                continue
            if pump := self._polynomial(first, second):
                yield Finding("polynomial", self._way_to(first), pump)

    def certain(self) -> frozenset[State]:
        """The states in which a match is certain, whatever comes: a search resumes behind it.

        Of the sets of states that a text can lead to, those are left out that a next character or
        the end can make fail, until none of them is left.
        """
        sets: dict[frozenset[State], dict[int, frozenset[State]]] = {}
        waiting = [frozenset({self.initial})]
        while waiting:
            states = waiting.pop()
            if states in sets:
                continue
            sets[states] = {
                atom: frozenset(
                    target for state in states for target, _ in self.steps[state].get(atom, ())
                )
                for atom in self.alphabet.all
            }
            waiting += [each for each in sets[states].values() if each]
        accepts = {
            states: frozenset().union(*(self.accepts[state] for state in states)) for states in sets
        }
        sure = {states for states in sets if END in accepts[states]}
        while True:
            failing = {
                states
                for states in sure
                if any(
                    atom not in accepts[states] and following not in sure
                    for atom, following in sets[states].items()
                )
            }
            if not failing:
                break
            sure -= failing
        unsure = frozenset().union(*(states for states in sets if states not in sure))
        return frozenset().union(*sure) - unsure

    def _exponential(self, origin: State) -> str:
        """A word that leads from a state back to it in two ways."""
        inside = self.components[origin]
        start = (origin, origin, False)
        parents: dict[Any, tuple[Any, int]] = {}
        waiting = deque([start])
        seen = {start}
        while waiting:
            here = waiting.popleft()
            first, second, split = here
            for atom, targets in self.steps[first].items():
                for (one, number), (two, other) in product(
                    targets, self.steps[second].get(atom, ())
                ):
                    if one not in inside or two not in inside:
                        continue
                    reached = (one, two, split or one != two or number != other)
                    if reached in seen:
                        continue
                    seen.add(reached)
                    parents[reached] = (here, atom)
                    if reached == (origin, origin, True):
                        return self._word(parents, reached, start)
                    waiting.append(reached)
        return ""

    def _polynomial(self, first: State, second: State) -> str:
        """A word that leads from the first to itself and the second, and the second to itself."""
        one, two = self.components[first], self.components[second]
        start, goal = (first, first, second), (first, second, second)
        parents: dict[Any, tuple[Any, int]] = {}
        waiting = deque([start])
        seen = {start}
        while waiting:
            here = waiting.popleft()
            for atom, targets in self.steps[here[0]].items():
                for (a, _), (b, _), (c, _) in product(
                    targets, self.steps[here[1]].get(atom, ()), self.steps[here[2]].get(atom, ())
                ):
                    reached = (a, b, c)
                    if a not in one or c not in two or reached in seen:
                        continue
                    seen.add(reached)
                    parents[reached] = (here, atom)
                    if reached == goal:
                        return self._word(parents, reached, start)
                    waiting.append(reached)
        return ""

    def _word(self, parents: dict[Any, tuple[Any, int]], end: Any, start: Any) -> str:
        word: list[int] = []
        here = end
        while True:
            here, atom = parents[here]
            word.append(atom)
            if here == start:
                return self.alphabet.text(reversed(word))

    def _way_to(self, goal: State) -> str:
        """A shortest text that leads to a state."""
        if goal == self.initial:
            return ""
        parents: dict[Any, tuple[Any, int]] = {}
        waiting = deque([self.initial])
        while waiting:
            here = waiting.popleft()
            for atom, targets in self.steps[here].items():
                for target, _ in targets:
                    if target in parents or target == self.initial:
                        continue
                    parents[target] = (here, atom)
                    if target == goal:
                        return self._word(parents, goal, self.initial)
                    waiting.append(target)
        return ""

    def pumps(self) -> Iterator[tuple[str, str]]:
        """For each loop a text that leads to it and one that goes round it once."""
        for state in self.components:
            parents: dict[Any, tuple[Any, int]] = {}
            waiting = deque([state])
            while waiting and state not in parents:
                here = waiting.popleft()
                for atom, targets in self.steps[here].items():
                    for target, _ in targets:
                        if target not in parents:
                            parents[target] = (here, atom)
                            waiting.append(target)
            yield self._way_to(state), self._word(parents, state, state)


class Analysis(NamedTuple):
    """What a pattern is found to be.

    ``pumps``: for each loop a text that leads to it, and one that goes round it.  ``characters``:
    one of each kind that the pattern tells apart.
    """

    findings: list[Finding]
    pumps: list[tuple[str, str]]
    characters: list[str]


def analyse(pattern: str | bytes, flags: int, how: str) -> Analysis:
    """Look for what makes a pattern slow.

    Args:
        pattern: as it is compiled.
        flags: the flags it is compiled with.
        how: ``fullmatch``, ``match`` or ``search``; everything else that tries each place of a
            text (``sub``, ``split``, ``finditer``) counts as ``search``.

    Raises:
        UnprovableError: it has parts that cannot be judged.
    """
    is_bytes = isinstance(pattern, bytes)
    parsed = _parser.parse(pattern, flags)
    flags = parsed.state.flags
    tests = [_class_test(item, within, is_bytes) for item, within in _items(parsed, flags)]
    alphabet = _Alphabet(is_bytes, [*tests, "\n".__eq__])
    builder = _Builder(alphabet, is_bytes)
    initial = builder.node()
    search = None
    start = initial
    if how == "search":
        search = builder.node()
        start = builder.node()
        builder.link(initial, start)
        builder.nodes[initial].reads.append((alphabet.all, search))
        builder.nodes[search].reads.append((alphabet.all, search))
        builder.link(search, start)
    done = builder.sequence(parsed, flags, start)
    accepted = frozenset({END}) if how == "fullmatch" else alphabet.all | {END}
    automaton = Automaton(builder.nodes, initial, done, alphabet, accepted)
    attempt = Automaton(builder.nodes, start, done, alphabet, accepted)
    certain = attempt.certain() if search is not None else frozenset()
    return Analysis(
        list(automaton.findings(search, certain)), list(automaton.pumps()), alphabet.examples
    )
