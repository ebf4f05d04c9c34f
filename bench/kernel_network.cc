#include "bench/kernel_network.h"

#include "bench/dialogue.h"
#include "tools/cli/temp_dir.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>

#include <cerrno>
#include <fstream>
#include <system_error>
#include <utility>

namespace portcullis::bench {

namespace {

using dataplane::FileDescriptor;

constexpr std::chrono::minutes kScriptWithin{3};  // a million elements of a set take some seconds
constexpr std::string_view kDone = "portcullis-bench: done\n";

// Nothing but what the bench sends is to be on these wires, so IPv6 is off before a device is made.
constexpr const char* kScript = R"(
for sort in default all; do
    [ ! -e /proc/sys/net/ipv6/conf/$sort ] || echo 1 >/proc/sys/net/ipv6/conf/$sort/disable_ipv6
done
ip link add bridge type bridge stp_state 0 mcast_snooping 0
for port in inside outside; do
    ip link add $port type veth peer name ${port}_far
    ip link set $port master bridge
    ip link set $port up
    ip link set ${port}_far up
done
ip link set bridge up
if [ -d /proc/sys/net/bridge ]; then
    echo 0 >/proc/sys/net/bridge/bridge-nf-call-iptables
    echo 0 >/proc/sys/net/bridge/bridge-nf-call-ip6tables
fi
)";

FileDescriptor own_namespace() {
    return FileDescriptor(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
}

Error failure(const std::string& what) {
    return {
        {},
        "the peers in the kernel " + what,
        "run as root on a kernel with bridge, veth, BPF and nftables, or leave these peers out"};
}

}  // namespace

KernelNetwork::Inside::Inside(const KernelNetwork& network)
    : home_(own_namespace()) {
    if (::setns(network.space_.get(), CLONE_NEWNET) != 0) {
        throw std::system_error(errno, std::generic_category(), "a network namespace");
    }
}

KernelNetwork::Inside::~Inside() {
    (void)::setns(home_.get(), CLONE_NEWNET);
}

Result<KernelNetwork> KernelNetwork::make() {
    const FileDescriptor home = own_namespace();
    if (::unshare(CLONE_NEWNET) != 0) {
        return failure("get no network: " + std::generic_category().message(errno));
    }
    KernelNetwork out(own_namespace());
    const Result<std::string> made = out.run(kScript);
    out.interfaces_ = {::if_nametoindex("inside"), ::if_nametoindex("outside")};
    if (::setns(home.get(), CLONE_NEWNET) != 0) {
        throw std::system_error(errno, std::generic_category(), "a network namespace");
    }
    if (!made) {
        return made.errors();
    }
    return out;
}

Result<std::string> KernelNetwork::run(const std::string& script, const std::string& input) const {
    Result<cli::TempDir> folder = cli::TempDir::create();
    if (!folder) {
        return folder.errors();
    }
    const std::string file = folder.value().file("input").string();
    std::ofstream(file) << input;
    const Inside inside(*this);
    Result<Dialogue> shell = Dialogue::start(
        {"sh", "-euc", "exec <\"$1\"\n" + script + "\necho 'portcullis-bench: done'", "sh", file}
    );
    if (!shell) {
        return shell.errors();
    }
    const Result<std::string> said = shell.value().all(kScriptWithin);
    if (!said) {
        return said.errors();
    }
    std::string out = said.value();
    if (out.size() < kDone.size() || out.substr(out.size() - kDone.size()) != kDone) {
        return failure("cannot be set up: " + out);
    }
    out.resize(out.size() - kDone.size());
    return out;
}

}  // namespace portcullis::bench
