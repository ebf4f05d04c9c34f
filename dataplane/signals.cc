#include "dataplane/signals.h"

#include <sys/signalfd.h>

#include <csignal>

namespace portcullis::dataplane {

namespace {

FileDescriptor block_and_open() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    return FileDescriptor(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

}  // namespace

StopSignals::StopSignals()
    : descriptor_(block_and_open()) {}

}  // namespace portcullis::dataplane
