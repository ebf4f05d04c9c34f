// What can be wrong with [[rule]]: names, transports, ports, and mail submission.

#include "tests/rules/policy_fixture.h"

#include <catch2/catch.hpp>

using namespace portcullis;
using namespace portcullis::test;

namespace {

Lines errors_in(std::string_view text) {
    return refused(with_base(text));
}

// A rule of TCP ports that a class drops. The ports stand in line 10.
Lines errors_with_ports(std::string_view list, std::string_view ports, std::string_view more = "") {
    return errors_in(
        "[[rule]]\nname = \"mine\"\ntransport = [\"tcp\"]\n" + std::string(list) + " = "
        + std::string(ports) + "\n" + std::string(more)
        + "[[class]]\nname = \"strict\"\ndrop = [\"mine\"]\n"
    );
}

}  // namespace

TEST_CASE("ports that are none") {
    CHECK(
        errors_with_ports("outbound_destination_ports", R"([1, 65535, 70000, 0, -1, "0-5", "5-70000", 1.5, [2]])")
        == Lines{
            "policy.toml:10:41: 70000 is not a port (ports are 1 to 65535)",
            "policy.toml:10:48: 0 is not a port (ports are 1 to 65535)",
            "policy.toml:10:51: -1 is not a port (ports are 1 to 65535)",
            "policy.toml:10:55: '0-5' is not a port (ports are 1 to 65535)",
            "policy.toml:10:62: '5-70000' is not a port (ports are 1 to 65535)",
            "policy.toml:10:73: an item of outbound_destination_ports must be a port or a range of ports, not a"
            " number with a fraction (for example outbound_destination_ports = [\"137-139\", 445])",
            "policy.toml:10:78: an item of outbound_destination_ports must be a port or a range of ports, not a list"
            " (for example outbound_destination_ports = [\"137-139\", 445])",
        }
    );
    CHECK(
        errors_with_ports("inbound_destination_ports", R"(["139-137", "smtp", "1-2-3", "99999999999999999999"])")
        == Lines{
            "policy.toml:10:30: the range '139-137' is reversed (write \"137-139\")",
            "policy.toml:10:41: 'smtp' is not a range of ports (write a range as \"137-139\", one port as 445)",
            "policy.toml:10:49: '1-2-3' is not a range of ports (write a range as \"137-139\", one port as 445)",
            "policy.toml:10:58: '99999999999999999999' is not a port (ports are 1 to 65535)",
        }
    );
}

TEST_CASE("a dropped rule must not cover TCP 587, wherever the far end's port stands") {
    const std::string why = "rule 'mine' covers TCP port 587, and class 'strict' drops it (RFC "
                            "5068 section 4.1: mail submission must"
                            " stay open; ";
    CHECK(
        errors_with_ports("outbound_destination_ports", "[25, 587]")
        == Lines{"policy.toml:10:35: " + why + "leave it out)"}
    );
    CHECK(
        errors_with_ports("inbound_source_ports", "[\"586-588\"]")
        == Lines{"policy.toml:10:25: " + why + "write 586, 588)"}
    );
    CHECK(
        errors_with_ports(
            "outbound_destination_ports", "[\"466-587\"]", "allow_submission_ports = true\n"
        )
        == Lines{"policy.toml:10:31: " + why + "write \"466-586\")"}
    );
    // The neighbours are free.
    CHECK(errors_with_ports("outbound_destination_ports", "[464, 466, 586, 588]").empty());
    CHECK(errors_with_ports("inbound_source_ports", "[464, 466, 586, 588]").empty());
}

TEST_CASE("a dropped rule covers TCP 465 only when it says so") {
    const std::string refusal = "policy.toml:10:31: rule 'mine' covers TCP port 465, and class "
                                "'strict' drops it (RFC 8314 section 3.3: mail"
                                " submission should stay open, or say allow_submission_ports = "
                                "true; write \"25-464\", \"466-500\")";
    CHECK(errors_with_ports("outbound_destination_ports", "[\"25-500\"]") == Lines{refusal});
    CHECK(
        errors_with_ports(
            "outbound_destination_ports", "[\"25-500\"]", "allow_submission_ports = false\n"
        )
        == Lines{refusal}
    );
    CHECK(errors_with_ports(
              "outbound_destination_ports", "[\"25-500\"]", "allow_submission_ports = true\n"
    )
              .empty());
}

TEST_CASE("both submission ports in one range") {
    CHECK(
        errors_with_ports("outbound_destination_ports", "[\"1-1023\"]")
        == Lines{
            "policy.toml:10:31: rule 'mine' covers TCP port 587, and class 'strict' drops it (RFC 5068 section 4.1:"
            " mail submission must stay open; write \"1-464\", \"466-586\", \"588-1023\")",
            "policy.toml:10:31: rule 'mine' covers TCP port 465, and class 'strict' drops it (RFC 8314 section 3.3:"
            " mail submission should stay open, or say allow_submission_ports = true; write \"1-464\", \"466-586\","
            " \"588-1023\")",
        }
    );
}

TEST_CASE("names of rules") {
    const auto errors = [](std::string_view name) {
        return errors_in(
            "[[rule]]\nname = \"" + std::string(name)
            + "\"\ntransport = [\"tcp\"]\ninbound_source_ports = [1]\n"
        );
    };
    const std::string cure = " is not a name for a rule (begin with a letter of a-z, go on with "
                             "a-z, 0-9 and '-', at most 32 characters)";
    CHECK(errors("a").empty());
    CHECK(errors("a-9").empty());
    CHECK(errors(std::string(32, 'a')).empty());
    CHECK(
        errors(std::string(33, 'a'))
        == Lines{"policy.toml:8:8: '" + std::string(33, 'a') + "'" + cure}
    );
    CHECK(errors("9a") == Lines{"policy.toml:8:8: '9a'" + cure});
    CHECK(errors("-a") == Lines{"policy.toml:8:8: '-a'" + cure});
    CHECK(errors("SMTP") == Lines{"policy.toml:8:8: 'SMTP'" + cure});
    CHECK(errors("a_b") == Lines{"policy.toml:8:8: 'a_b'" + cure});
    CHECK(errors("\u00e4") == Lines{"policy.toml:8:8: '\u00e4'" + cure});
    for (const ReasonInfo& row : kReasons) {
        CHECK(
            errors(row.label)
            == Lines{"policy.toml:8:8: '" + std::string(row.label) + "' is the name of a reason for a verdict (choose another name for the rule)"}
        );
    }
}

TEST_CASE("a rule that is not whole") {
    CHECK(
        errors_in("[[rule]]\n[[rule]]\nname = \"a\"\ntransport = []\ninbound_source_ports = []\n")
        == Lines{
            "policy.toml:7:1: [[rule]] has no name (add a line such as name = \"smtp\")",
            "policy.toml:7:1: [[rule]] has no transport (add a line such as transport = [\"tcp\"])",
            "policy.toml:7:1: [[rule]] names no ports (for example outbound_destination_ports = [25])",
            "policy.toml:8:1: [[rule]] names no ports (for example outbound_destination_ports = [25])",
            "policy.toml:10:13: transport is empty (name tcp, udp or both)",
        }
    );
    CHECK(
        errors_in("[[rule]]\nname = \"a\"\ntransport = [\"tcp\", \"sctp\", \"tcp\"]\ninbound_source_ports = 1\n")
        == Lines{
            "policy.toml:9:21: 'sctp' is not a transport that rules know (known: tcp, udp)",
            "policy.toml:9:29: 'tcp' is named twice (keep one of the two)",
            "policy.toml:10:24: inbound_source_ports must be a list, not an integer (for example"
            " inbound_source_ports = [\"137-139\", 445])",
        }
    );
}

TEST_CASE("the same rule twice, also in the place of a built-in one") {
    const std::string rule =
        "[[rule]]\nname = \"smtp\"\ntransport = [\"tcp\"]\noutbound_destination_ports = [25]\n";
    CHECK(errors_in(rule).empty());
    CHECK(
        errors_in(rule + rule)
        == Lines{"policy.toml:12:8: rule 'smtp' is already defined in line 8 (give it another "
                 "name, or keep one of"
                 " the two)"}
    );
}
