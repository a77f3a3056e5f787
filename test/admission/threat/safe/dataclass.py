from dataclasses import dataclass, field


@dataclass
class Order:
    lines: list = field(default_factory=list)

    def add(self, name, cents):
        self.lines.append((name, cents))
        return self

    @property
    def total(self):
        return sum(cents for _, cents in self.lines)
