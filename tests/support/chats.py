"""Clients that make, list and archive chats while the server is being broken, and what must then be true of each chat.

A chat has a title of its own, so that one whose creation nobody answered can be told apart afterwards.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import requests

from tests.support.told import PATIENCE, Told

PATH = "/api/v2/chats"

#: Chats that a client makes before it rather archives and lists, and chats that it makes in all: they can't be deleted, and
#: a list shows a thousand.
ENOUGH = 30
MOST = 150
#: How often a chat is looked at before what nobody acknowledged is taken for decided: what a killed worker had sent may
#: still be on its way at the first look.
LOOKS = 2


@dataclass
class Chat:
    """One chat. `id` is None while no answer and no list has told it; `open`: the last change was not acknowledged."""

    title: str
    files: list[str]
    id: str | None = None
    archived: bool = False
    open: bool = True
    looks: int = 0


class Chats:
    """The chats of one client."""

    def __init__(
        self, number: int, url: str, token: str, http: requests.Session, told: Told, choice: random.Random
    ) -> None:
        self.number = number
        self.url = url
        self.chats: list[Chat] = []
        self._headers = {"Coder-Session-Token": token}
        self._http = http
        self._told = told
        self._random = choice
        self._count = 0

    def step(self, files: list[str]) -> None:
        """Do something. `files`: ids of images that are there. Raises RequestException when nobody answers."""
        settled = [chat for chat in self.chats if not chat.open]
        kind = self._random.random()
        making = 0.4 if len(self.chats) < ENOUGH else 0.03
        if len(self.chats) < MOST and (kind < making or not settled):
            self._create(self._random.sample(files, min(len(files), self._random.randint(0, 3))))
        elif kind < 0.75 and settled:
            self._archive(self._random.choice(settled))
        else:
            self._list(settled, self._random.random() < 0.5)

    def _create(self, files: list[str]) -> None:
        self._count += 1
        chat = Chat(f"chat {self.number}n{self._count}", files)
        self.chats.append(chat)
        content: list[dict[str, str]] = [{"type": "text", "text": chat.title}]
        content += [{"type": "file", "file_id": each} for each in files]
        answer = self._ask("POST", "", "chat", json={"content": content})
        if answer.status_code == 201:
            chat.id, chat.open = answer.json()["id"], False
            self._show(chat)

    def _archive(self, chat: Chat) -> None:
        chat.open, chat.looks = True, 0
        word = "unarchive" if chat.archived else "archive"
        answer = self._ask("POST", f"/{chat.id}/{word}", word)
        if answer.status_code == 204:
            chat.archived, chat.open = not chat.archived, False
            self._show(chat)

    def _show(self, chat: Chat) -> None:
        answer = self._ask("GET", f"/{chat.id}", "show")
        if answer.ok and answer.json()["archived"] != chat.archived:
            self._told.violation(f"chat {chat.id} is shown as {answer.json()['archived']}, is {chat.archived}")

    def _list(self, settled: list[Chat], archived: bool) -> None:
        answer = self._ask("GET", "", "list", params={"q": f"archived:{str(archived).lower()}"})
        if answer.ok:
            listed = {each["id"] for each in answer.json()}
            for chat in settled:
                if (chat.id in listed) != (chat.archived == archived):
                    self._told.violation(f"chat {chat.id} is {chat.archived}, wrong in the list archived:{archived}")

    def _ask(self, method: str, path: str, kind: str, **options: Any) -> requests.Response:
        try:
            answer = self._http.request(
                method, f"{self.url}{PATH}{path}", headers=self._headers, timeout=PATIENCE, **options
            )
        except requests.RequestException:
            self._told.lost(kind)
            raise
        self._told.say(kind, answer)
        if not answer.ok:
            self._told.refused(kind, answer)
        return answer

    def compare(self, listed: dict[str, dict[str, Any]], present: Collection[str]) -> list[str]:
        """What is wrong in `listed` (chats by title, with and without archived ones), while this client rests.

        `present`: ids of all files that are there. What was open is decided by what is found at the last look.
        """
        problems = []
        for chat in self.chats:
            found = listed.get(chat.title)
            if chat.open:
                chat.looks += 1
                if found is not None:
                    chat.id, chat.archived = found["id"], found["archived"]
                elif chat.id is not None:
                    problems.append(f"chat {chat.id} is lost")
                chat.open = chat.looks < LOOKS
            elif chat.id is None:
                if found is not None:
                    problems.append(f"chat {found['id']} was undone and is there")
            elif found is None or (found["id"], found["archived"]) != (chat.id, chat.archived):
                problems.append(f"chat {chat.id} is acknowledged (archived: {chat.archived}), and found is {found}")
            if found is not None:
                files = [each["id"] for each in found["files"]]
                wanted = [each for each in chat.files if each in present]
                if files != wanted:
                    problems.append(f"chat {found['id']} shows the files {files} instead of {wanted}")
        # Those that never came to be are nobody's from now on, should they turn up.
        self.chats = [chat for chat in self.chats if chat.open or chat.id is not None]
        return problems
