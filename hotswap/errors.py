"""Every exception that hotswap raises, and every stable code with its meaning and its remedy.

A code never changes its meaning, and the number of one that went (HS211, HS411) is not used again; ``hotswap explain CODE``
prints what stands here.
HS1xx: the text. HS2xx: cannot be done in place. HS3xx: a person has to decide. HS4xx: kept or stale, named.
HS5xx: the environment. HS6xx: patches for running services.
"""

from __future__ import annotations

import attrs


class HotswapError(Exception):
    """Base of all errors of hotswap; catching it catches nothing of the program's own."""


class NotStartedError(HotswapError):
    """An operation needs a running engine; call ``hotswap.start()`` first."""


class UnsupportedError(HotswapError):
    """This interpreter cannot be served (no GIL, not CPython, older than 3.11); nothing was started."""


class ConfigError(HotswapError):
    """A setting is wrong; the message names the setting, its source and what it takes."""


class FileError(HotswapError):
    """A file was named that the program has not loaded or that hotswap does not manage, or a file cannot be read; the
    message says which and why. Nothing was changed: name a managed file, or make it readable."""


class RollbackError(HotswapError):
    """There is no swap to take back, or it cannot be taken back; nothing was changed."""


class DeclarationError(HotswapError):
    """A ``migrate`` makes no sense; the message names the declaration with its place, and what to do about it."""


class MigrationError(HotswapError):
    """An object could not be converted. It is as it was, and so is every other one; the cause is the hook's exception.

    The next access gives the same error, until the migrations are mended (a save is enough) or ``hotswap.retry()`` is
    called.
    """


class RemovedError(HotswapError, AttributeError):
    """A reference from before was called, but the new source has no such function or class any more.

    Attributes:
        module, qualname: the definition that is gone.
    """

    def __init__(self, module: str, qualname: str) -> None:
        super().__init__(
            f"{module}.{qualname} was removed by an edit of its source; this reference was taken before. "
            "Drop the reference, or put it back."
        )
        self.module = module
        self.qualname = qualname


class PatchError(HotswapError):
    """A patch is refused; nothing was changed. The message says why and what to do.

    Attributes:
        code: stable, see ``hotswap explain``.
        message: one sentence.
    """

    def __init__(self, code: str, message: str, next_step: str = "") -> None:
        self.code, self.message, self.next_step = code, message, next_step or CODES[code].remedy
        super().__init__(f"{code} {message}; {self.next_step}" if self.next_step else f"{code} {message}")


@attrs.frozen
class Code:
    """A stable code: title, what it means, what to do."""

    code: str
    title: str
    meaning: str
    remedy: str


def _codes(*rows: tuple[str, str, str, str]) -> dict[str, Code]:
    return {row[0]: Code(*row) for row in rows}


#: All codes. Invariant: every finding made anywhere uses a key of this table (kept by a test).
CODES: dict[str, Code] = _codes(
    ("HS101", "syntax error", "The new text does not compile; the old code serves on.", "Mend the text and save again."),
    ("HS102", "undecodable file", "The bytes on disk are not text in the encoding that the file declares, "
     "or the file is half written.", "Save the file again in its declared encoding."),
    ("HS103", "file is gone", "The source of a loaded module was deleted; the old code serves on.",
     "Put it back, or restart to run without it."),
    ("HS104", "unreadable file", "The file could not be read (permission, a vanished directory, an I/O error).",
     "Make it readable and save again."),
    ("HS105", "healed", "A file whose text was held is what is live again: nothing of it is held any more.", ""),
    ("HS106", "waits for a text that is held", "The saved text uses what only the text of another file brings, and that one is "
     "held for a reason of its own.", "Mend the other file and save it; both are tried together."),
    ("HS110", "top-level code raised", "A changed statement raised while it was evaluated aside; nothing was applied.",
     "Mend the statement and save again."),
    ("HS201", "class layout changed", "A builtin base, slots that cannot be kept beside the objects, or another "
     "part of the memory layout changed; CPython cannot change it in a live class, and another class cannot take its place "
     "while there are objects, or somebody has it whom the message names.", "Restart, or let go of it there and save again; for "
     "slots of a class with a __del__, give it __weakref__ (weakref_slot=True)."),
    ("HS202", "bases cannot be exchanged", "CPython refuses the new bases for the live class, and another class cannot take its "
     "place: the message says why, or who has it.", "Let go of it there and save again, or restart."),
    ("HS203", "metaclass changed", "The class would get another metaclass, which cannot be exchanged in place, and another class "
     "cannot take its place: the message says why, or who has it.", "Let go of it there and save again, or restart."),
    ("HS204", "effect cannot be taken back", "A statement that is run for its effect, or the import of a module that has "
     "added to others, was changed or removed, and what the old text did cannot be undone here.", "Restart."),
    ("HS205", "opaque object would be rebuilt", "The initialiser of an object whose state hotswap cannot see was changed "
     "(an application, a connection, a lock, a thread).", "Restart."),
    ("HS206", "registration with an opaque object", "A decorator or call registers with an object that hotswap cannot look "
     "into; doing it again would register twice.", "Restart, or install a plugin for that framework."),
    ("HS207", "staged object escaped", "Evaluating a changed statement put a new function or class where it cannot be "
     "followed.", "Restart."),
    ("HS208", "kind of object cannot be exchanged", "A name was a function or class and becomes something that references "
     "from before cannot be led to.", "Restart."),
    ("HS209", "ambiguous definitions", "Several definitions of one name changed at once and cannot be paired.",
     "Save in smaller steps, or restart."),
    ("HS210", "running code differs from its source", "The live functions were not compiled from the text that was taken as "
     "the base; the file changed before hotswap was attached, or something patched them.", "Restart."),
    ("HS212", "a plugin refused", "A plugin vetoed the change; its reason is in the message.", "Do what it says, or restart."),
    ("HS213", "settings only read at start", "The changed file or setting is read when the program starts.", "Restart."),
    ("HS214", "module is not managed any more", "The module of the saved file was taken out of sys.modules, or another "
     "module has its name, and the program still uses it.", "Put it back in sys.modules and save again, or restart."),
    ("HS215", "looked for by its name", "A statement that has to be evaluated aside finds a class or function by its name in "
     "sys.modules, as pickle does; there is the live one until the commit.", "Restart."),
    ("HS301", "live objects need new fields", "Objects of a class exist which lack a field that the new code has, and no "
     "automatic default is safe.", "Save a migration (the stub is shown), give the field a literal default, or restart."),
    ("HS302", "live objects of an immutable class", "Objects of a tuple or enum like class exist whose fields changed.",
     "Restart."),
    ("HS303", "a removed field looks renamed", "One field was removed and one of like kind was added while objects exist.",
     "Say with a migration which it is, keep the old name for now, or restart."),
    ("HS304", "objects are converted", "Live objects of a class are converted by migrations, at their first access or by the "
     "sweep in the background.", "Nothing; hotswap.status() counts those that are left."),
    ("HS305", "migration leads nowhere", "A migration names a class that is not there, or leads from a version that its class "
     "has not reached.", "Mend the name or the versions; without versions it leads from the one that is live."),
    ("HS306", "two migrations for one step", "Two migrations of a class lead from the same version.",
     "Give them versions in a row, or remove one."),
    ("HS307", "no way back", "A migration has no way back, so the swap that brings it cannot be taken back once it is live.",
     "Add one with @name.down, or accept it."),
    ("HS308", "object could not be converted", "A migration raised for some objects. They are as they were, and raise "
     "MigrationError when they are accessed.", "Mend the migration and save it, or call hotswap.retry()."),
    ("HS309", "unfinished migration", "A migration still has the ... of the stub that it was made from.",
     "Put in the value, and save again."),
    ("HS310", "taken back by itself", "More objects could not be converted than the failure budget allows, so the swap was taken "
     "back.", "Mend the migration and save it; hotswap preflight tries it on copies."),
    ("HS311", "structure not converted", "What an owner holds could not be converted whole: its lock could not be had in time, a "
     "migration failed, or keys are equal now. Nothing was changed.", "Do what the message says, and save again."),
    ("HS312", "a migration goes with its class", "Objects were converted by a migration that the new text lacks, and their class "
     "changes with it: it cannot be told whether they are to go back.",
     "Take the migration out in a save of its own, or roll the swap back."),
    ("HS401", "live value kept", "The program changed a value since it was loaded; its initialiser changed too. The live "
     "value was kept.", "Assign it by hand, or restart, if the new initial value is wanted."),
    ("HS402", "possibly stale", "A value was computed from something that changed, but it is an opaque object or its "
     "evaluation has effects, so it was kept.", "Make it again in the program, or restart."),
    ("HS403", "old code still running", "A function that changed is still on a stack; it is live at its next call.",
     "Nothing; or restart, where it is a loop that never returns: with its body in a function of its own it would follow."),
    ("HS404", "closure kept its old code", "A live closure does not hold a variable that its new code needs.",
     "Make the closure again."),
    ("HS405", "effect not repeated", "A statement that is run for its effect did not change, but something that it uses "
     "did. It was not run again.", "Run it by hand or restart if its effect is wanted again."),
    ("HS406", "takes effect at the next start", "Code that runs only once at the start of the program was changed.",
     "Restart when it is wanted now."),
    ("HS407", "new statement was run", "A statement that was added for its effect was run once, after the commit; or one that "
     "sets something outside of managed data, which has other arguments now.", ""),
    ("HS408", "child processes", "Child processes started before this swap still run the old code.",
     "Start them again."),
    ("HS409", "old reference cannot follow", "A reference from before cannot be led to the new object for every use.",
     "Use the name in its module instead of the held object."),
    ("HS410", "removed definition", "A definition was removed; a held reference raises when it is called, and so does what "
     "still uses its name.", "Change what uses it as well."),
    ("HS411", "effect left by a rollback", "A swap was taken back that had run a statement for an effect outside of "
     "managed data (HS407); that is not undone.", "Undo the effect by hand, or restart."),
    ("HS412", "another copy of a module", "The module of the saved file was imported or reloaded more than once. What is managed "
     "has followed. Functions of another copy have their new code, but use data and classes that did not change; functions from "
     "before a reload keep their code.", "Take it anew from the module where it is used, or restart."),
    ("HS413", "class replaced", "A live class could not become what its text makes of it, so another class object has its place: "
     "all references and objects were led over to that.", "Nothing."),
    ("HS414", "database migration is due", "Models changed, and the database has not what they have now.",
     "Make and run the migration, or let hotswap-django do it: HOTSWAP = {'MIGRATE': 'run'}."),
    ("HS415", "streams go on", "Streaming answers or websockets that began before this swap have not ended in time. They go on "
     "in the code that they are suspended in, and call new code.", "Open them again, where all of it is to be new."),
    ("HS416", "system checks", "Django's system checks find something in what is live.", "Mend it; it holds no save."),
    ("HS417", "a start would be refused", "Django's system checks find an error in what is live, with which runserver does not "
     "start. The process that runs serves on.", "Mend it and save; it is told with each save until then."),
    ("HS501", "polling", "The system's limit of file watches is reached, the file system sends no events, or threads are "
     "greenlets; polling instead.", "Raise fs.inotify.max_user_watches, or run with --poll; with greenlets nothing."),
    ("HS502", "audit hook", "There is an audit hook. One in Python runs inside the commit; another thread may see the "
     "commit in parts. Said once, since a hook cannot be removed.", "Start without the hook while developing, or accept it."),
    ("HS503", "broken plugin", "A plugin raised; it was left out of this step.", "Mend or uninstall the plugin."),
    ("HS504", "frozen objects", "gc.freeze() hides objects from the collector; they were brought back to be listed, and frozen "
     "again.", "Nothing; objects made between the two calls of gc.freeze() are frozen too."),
    ("HS505", "swap inside of a swap", "Code that a swap evaluates, or a plugin's hook, asked for a swap itself; it was not "
     "carried out.", "Ask for it when the swap is over, from another place."),
    ("HS506", "threads replaced too late", "gevent or eventlet has replaced threads by greenlets after hotswap had been "
     "started, whose threads and locks are real ones: they would wait for each other for ever.",
     "Patch first: monkey.patch_all() before hotswap.start(), or python -m gevent.monkey --module hotswap run ..."),
    ("HS507", "interpreter cannot be served", "Another interpreter than CPython, or a free-threaded build of it, also with "
     "PYTHON_GIL=1: what a swap relies on is not so there. Nothing was started.", "Run the program with the usual build of "
     "CPython 3.11 or newer, or without hotswap."),
    ("HS508", "the program could not start again", "A restart has started the program on the new text, and it ended "
     "with an error.", "Mend it and save: the program is started again. Ctrl-C ends it."),
    ("HS509", "other interpreters", "There are other interpreters in this process, and CPython crashes when frames of threads "
     "are asked for; so nobody can tell which code still runs.", "Save again when they have ended, or restart."),
    ("HS510", "work in progress", "Requests or jobs that began in the old code have not ended in time; with the swap they would "
     "have gone on with old and new code mixed.", "Let them end: where the plugin says so the swap is tried again by itself, "
     "elsewhere save again."),
    ("HS599", "internal error", "hotswap failed in itself; nothing was applied.", "Please report it with the traceback."),
    ("HS601", "not a whole patch", "The file is no patch, or not as the builder wrote it: a byte was changed, a member or field "
     "is unknown, missing or there twice, a bound is exceeded.", "Build and sign it anew."),
    ("HS602", "not signed by a trusted key", "The patch has no signature, or none that holds, or its key is not in the trust "
     "file, or is not valid any more.", "Have it signed by somebody of the trust file."),
    ("HS603", "expired", "The patch may not be ordered any more.", "Build it anew, for what is deployed now."),
    ("HS604", "older than what was applied", "A patch of this or of a later number was accepted for this target before; an "
     "old one must not come back.", "Build it with a higher number."),
    ("HS605", "another base", "The code that is live is not the one that the patch was built from.",
     "Build the patch from the revision that is deployed."),
    ("HS606", "target is not here", "What the patch is for is not in this process, or has another version, or is loaded in a "
     "way that cannot be followed.", "Send it to the processes that it is for."),
    ("HS607", "patches do not fit", "The patch needs another one that is not live, or stands in the place of one that is not.",
     "Apply what it needs first."),
    ("HS608", "spool cannot be trusted", "The directory of orders, or a file in it, belongs to somebody else, can be written to "
     "by others, or cannot be read.", "Give it to the user of the service and take the rights of others away: chmod 700."),
    ("HS609", "not confirmed", "The time in which the patch was to be confirmed is over: it was taken back.",
     "Look why, apply it again, and say hotswap confirm in time."),
    ("HS610", "cannot be taken back", "The program has gone on in a way that does not let the patch be taken out of the running "
     "process; it stays live there.", "Restart the process: it starts without the patch."),
    ("HS611", "does not answer", "The process has no agent that answers, or was not heard in time.",
     "Ask hotswap status again; the order stands and is followed at the next start at the latest."),
    ("HS612", "another order is under way", "Orders for one group are carried out one after the other.",
     "Wait for the other one and ask again."),
    ("HS613", "cannot be built", "The two trees cannot be made a patch: something differs that a patch cannot carry.",
     "Leave it out by name, or deploy."),
    ("HS614", "a canary ended", "A process that had the patch before the others ended while it was watched: the others did not "
     "get it.", "Look in its log why; if it would have ended anyhow, apply the patch again."),
    ("HS615", "not well", "A health check failed, the error rate was too high, or objects could not be converted: all processes "
     "have taken the patch back.", "Look why, mend the patch, and build it with a higher number."),
    ("HS616", "paused", "Nothing is put on or taken off while a group is paused.", "hotswap resume"),
    ("HS617", "no request", "What came in at the door of a service is nothing that can be asked for there, or comes from "
     "somebody who may not.", "Use hotswap apply --door of the same version, as the user of the service or as root."),
    ("HS618", "vetoed", "A hook of the patch says that the patch must not be applied, or not be taken back, in this process.",
     "Do what the hook asks for."),
    ("HS619", "threads replaced too late", "gevent or eventlet has replaced threads in the process after its agent had been "
     "started, which can neither apply nor take back anything there any more.",
     "Call hotswap.agent() behind monkey.patch_all(), with gunicorn in its post_worker_init."),
    ("HS620", "who moved when", "How the change came into the process: immediate, by task, or when it was at rest; the message "
     "says why.", ""),
    ("HS621", "consistency too weak", "What changes cannot be there in two versions at once, so the consistency that was asked "
     "for is not safe for it. Nothing was changed.", "Ask for the one that the message names, or for none, or say --force."),
    ("HS622", "blocked", "Somebody in the old code has not ended by the deadline. The change was reversed; whoever has waited "
     "goes on.", "Ask again when that has ended, or give it a longer --deadline; put hotswap.safe_point() into a loop that never "
     "ends; or say --force."),
    ("HS623", "forced", "The change was made against the rules, because --force was said: what the message names may have run "
     "old and new code.", "Watch it; restart the process if in doubt."),
    ("HS624", "ranks do not agree", "The program switches at collective safe points, and not all of its ranks were ready to "
     "switch at one of them, or one has failed. No rank has the change.", "Give the order to all ranks, with a deadline that is "
     "longer than a step."),
    ("HS625", "cannot be entered", "An agent cannot be brought into a process that was started without one.",
     "Start it with hotswap agent, or call hotswap.agent() in the program."),
)
