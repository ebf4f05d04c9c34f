// What we tell DPDK: its arguments and the names of its ports.
#include "dataplane/eal.h"

#include "dataplane/eal_advice.h"
#include "dataplane/port.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

using namespace portcullis::dataplane;

namespace {

using Words = std::vector<std::string>;

bool has(const Words& words, const std::string& word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

// The word behind `option`.
std::string value_of(const Words& words, const std::string& option) {
    const auto at = std::find(words.begin(), words.end(), option);
    REQUIRE(at != words.end());
    REQUIRE(at + 1 != words.end());
    return *(at + 1);
}

}  // namespace

TEST_CASE("live workers get a processor each, and the cold thread one of its own if it can") {
    EalSetup setup;
    setup.workers = 2;
    CHECK(value_of(eal_arguments(setup, {4, 5, 6, 7}), "--lcores") == "0@4,1@5,2@6");
    CHECK(value_of(eal_arguments(setup, {4, 5}), "--lcores") == "0@(4,5),1@4,2@5");
    CHECK(value_of(eal_arguments(setup, {3}), "--lcores") == "0@(3),1@3,2@3");
}

TEST_CASE("workers run where the operator says, and the cold thread beside them") {
    EalSetup setup;
    setup.workers = 2;
    setup.cpus = {6, 5};
    CHECK(value_of(eal_arguments(setup, {4, 5, 6, 7}), "--lcores") == "0@(4,7),1@6,2@5");
    CHECK(value_of(eal_arguments(setup, {5, 6}), "--lcores") == "0@(5,6),1@6,2@5");
    setup.test_mode = true;
    CHECK(value_of(eal_arguments(setup, {4, 5, 6, 7}), "--lcores") == "0@(4,7),1@6,2@5");
}

TEST_CASE("memory is reserved as the operator says, or in test mode") {
    EalSetup setup;
    CHECK_FALSE(has(eal_arguments(setup, {0}), "-m"));
    setup.memory_mib = 2048;
    CHECK(value_of(eal_arguments(setup, {0}), "-m") == "2048");
    setup.test_mode = true;
    CHECK(value_of(eal_arguments(setup, {0}), "-m") == "2048");
    setup.memory_mib = 0;
    CHECK(value_of(eal_arguments(setup, {0}), "-m") == "512");
}

TEST_CASE("in test mode nothing is pinned, and nothing needs privileges") {
    EalSetup setup;
    setup.test_mode = true;
    const Words words = eal_arguments(setup, {0, 1});
    CHECK(value_of(words, "--lcores") == "0@(0,1),1@(0,1)");
    for (const char* word : {"--no-huge", "--no-pci", "--no-telemetry", "--no-shconf"}) {
        CHECK(has(words, word));
    }
}

TEST_CASE("hugepages leave no files behind, unless the operator wants files") {
    EalSetup setup;
    CHECK(has(eal_arguments(setup, {0}), "--in-memory"));
    for (const char* word : {"--huge-dir=/mnt/huge", "--legacy-mem", "--huge-unlink=never"}) {
        setup.more_arguments = {word};
        CHECK_FALSE(has(eal_arguments(setup, {0}), "--in-memory"));
    }
    setup.more_arguments.clear();
    setup.test_mode = true;
    CHECK_FALSE(has(eal_arguments(setup, {0}), "--in-memory"));
}

TEST_CASE("DPDK may touch the named PCI devices only") {
    EalSetup setup;
    CHECK(has(eal_arguments(setup, {0}), "--no-pci"));
    setup.pci_devices = {"0000:01:00.0", "0000:01:00.1"};
    const Words words = eal_arguments(setup, {0});
    CHECK_FALSE(has(words, "--no-pci"));
    CHECK_FALSE(has(words, "--no-huge"));
    CHECK(value_of(words, "-a") == "0000:01:00.0");
    CHECK(std::count(words.begin(), words.end(), "-a") == 2);
}

TEST_CASE("the operator's own arguments come last, and their lcores instead of ours") {
    EalSetup setup;
    setup.more_arguments = {"--log-level=8"};
    CHECK(eal_arguments(setup, {0}).back() == "--log-level=8");
    CHECK(has(eal_arguments(setup, {0}), "--lcores"));
    for (const Words& words : {Words{"-l", "2-5"}, Words{"-l2-5"}, Words{"--lcores=2"}}) {
        setup.more_arguments = words;
        CHECK_FALSE(has(eal_arguments(setup, {0}), "--lcores"));
    }
}

TEST_CASE("a PCI address is told from a virtual device") {
    for (const char* device :
         {"0000:01:00.0", "01:00.1", "0000:AF:1f.7", "0000:01:00.0,representor=0"}) {
        CHECK(is_pci_device(device));
    }
    for (const char* device :
         {"",
          "net_pcap0",
          "net_af_packet0,iface=a",
          "0000:01:00.8",
          "0000:01:00",
          "eth0",
          "01:00.0.1"}) {
        INFO(device);
        CHECK_FALSE(is_pci_device(device));
    }
}

TEST_CASE("a port's name has no arguments, and a PCI address its domain") {
    CHECK(port_name("net_af_packet0,iface=veth0") == "net_af_packet0");
    CHECK(port_name("net_null0") == "net_null0");
    CHECK(port_name("01:00.0") == "0000:01:00.0");
    CHECK(port_name("0001:01:00.0,a=b") == "0001:01:00.0");
}

TEST_CASE("what DPDK complains of is said in an operator's words, the cause before what follows") {
    const auto message_of = [](std::string_view complaints) {
        const auto out = advice_for(complaints);
        return out ? out->message : "";
    };
    CHECK(
        message_of(
            "EAL: No free 2048 kB hugepages reported on node 0; EAL: FATAL: Cannot get hugepage "
            "information."
        )
        == "there are not enough free hugepages"
    );
    CHECK(
        message_of(
            "EAL: FATAL: Cannot get hugepage information.; EAL: Cannot get hugepage information."
        )
        == "there are no hugepages that this user can use"
    );
    CHECK(
        message_of(
            "EAL: Cannot create lock on '/var/run/dpdk/rte/config'. Is another primary process "
            "running?; EAL: FATAL: Cannot init config"
        )
        == "another DPDK program runs under the same name"
    );
    CHECK(
        message_of("EAL: core 9 unavailable; EAL: invalid parameter for --lcores")
        == "a CPU that a worker shall have is offline, or not allowed to this process"
    );
    CHECK(
        message_of(
            "EAL: Error, directory path / is world-writable and insecure; EAL: Cannot init plugins"
        )
        == "everybody may write to a folder above DPDK's drivers, and so replace them"
    );
    CHECK_FALSE(advice_for("EAL: something that nobody has seen yet").has_value());
    CHECK_FALSE(advice_for("").has_value());
}
