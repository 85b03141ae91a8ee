"""A set of whole numbers that arrive nearly in order, as those of snapshots do."""

from __future__ import annotations


class Numbers:
    """Remembers which numbers came: an unbroken range, and the few outside it one by one. A million of them take no room."""

    def __init__(self) -> None:
        self._low = self._high = 0
        self._rest: set[int] = set()

    def add(self, number: int) -> bool:
        """Remember a number; False when it was known."""
        if number in self:
            return False
        if self._low == self._high:
            self._low, self._high = number, number + 1
        elif number == self._high:
            self._high += 1
        elif number == self._low - 1:
            self._low -= 1
        else:
            self._rest.add(number)
            return True
        while self._rest and self._high in self._rest:
            self._rest.remove(self._high)
            self._high += 1
        while self._rest and self._low - 1 in self._rest:
            self._rest.remove(self._low - 1)
            self._low -= 1
        return True

    def __contains__(self, number: int) -> bool:
        return self._low <= number < self._high or number in self._rest

    def __len__(self) -> int:
        return self._high - self._low + len(self._rest)


class Keys:
    """A set of (segment, seq, job): what has been logged."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[int, str], Numbers] = {}

    def add(self, key: tuple[int, int, str]) -> bool:
        """Remember a key; False when it was known."""
        segment, seq, job = key
        numbers = self._numbers.get((segment, job))
        if numbers is None:
            numbers = self._numbers[segment, job] = Numbers()
        return numbers.add(seq)

    def __contains__(self, key: tuple[int, int, str]) -> bool:
        numbers = self._numbers.get((key[0], key[2]))
        return numbers is not None and key[1] in numbers

    def __len__(self) -> int:
        return sum(len(numbers) for numbers in self._numbers.values())
