"""Drives a session by the stock module, as somebody's own script would; says all that it is told."""

import sys

import dbus
import openvpn3
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib
from openvpn3 import StatusMajor, StatusMinor

ANSWERS = {"username": "alice", "password": "open sesame"}


def say(*words):
    print(*words, flush=True)


def told_of_status(major, minor, text):
    statuses.append(StatusMinor(minor))
    say("status", StatusMajor(major).name, StatusMinor(minor).name, text)


def told_of_session(event):
    events.append(event.GetType().name)
    say("event", event.GetType().name)


def run_until(condition):
    while not condition():
        context.iteration(True)


def wait_for(minor):
    run_until(lambda: minor in statuses)
    statuses.clear()
    status = session.GetStatus()
    say("at last", status["major"].name, status["minor"].name)


bus = dbus.SystemBus(mainloop=DBusGMainLoop(set_as_default=True))
context = GLib.MainLoop().get_context()
statuses, events = [], []
sessions = openvpn3.SessionManager(bus)
sessions.SessionManagerCallback(told_of_session)
config = openvpn3.ConfigurationManager(bus).Import("scripted", open(sys.argv[1]).read(), False, False)
config.Validate()
session = sessions.NewTunnel(config)
path = session.GetPath()
run_until(lambda: "SESS_CREATED" in events)

session.AttentionRequiredCallback(lambda kind, group, text: say("attention", kind, group, text))
session.LogCallback(lambda group, category, text: say("log", group, category, text))
session.StatusChangeCallback(told_of_status)
session.SetProperty("log_verbosity", dbus.UInt32(6))
while True:
    try:
        session.Ready()
        break
    except dbus.exceptions.DBusException as error:
        say("not ready:", error.get_dbus_message())
    for slot in session.FetchUserInputSlots():
        say(slot)
        slot.ProvideInput(ANSWERS[slot.GetVariableName()])
say("left to ask", session.UserInputQueueGetTypeGroup())

session.Connect()
wait_for(StatusMinor.CONN_CONNECTED)
protocol, address, port = session.GetProperty("connected_to")
names = [session.GetProperty(name) for name in ("device_name", "session_name", "config_name")]
say("connected to", protocol, address, port, *names, session.GetDCO())
statistics = session.GetStatistics()
say("statistics", statistics.signature, statistics["BYTES_IN"] > 1000, statistics["PACKETS_OUT"] > 3)
say(session.GetFormattedStatistics())
session.Pause("for lunch")
wait_for(StatusMinor.CONN_PAUSED)
session.Resume()
wait_for(StatusMinor.CONN_CONNECTED)
session.Restart()
wait_for(StatusMinor.CONN_CONNECTED)
say("found", list(sessions.LookupConfigName("scripted")) == [path])
session.Disconnect()
run_until(lambda: "SESS_DESTROYED" in events)
wanted = StatusMinor.CONN_DONE
run_until(lambda: wanted in statuses)
try:
    sessions.Retrieve(path).GetStatus()
except dbus.exceptions.DBusException as error:
    say("gone:", error.get_dbus_name())
config.Remove()
