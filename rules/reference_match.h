// The questions that the reference model asks of a policy and one header, answered by looking at every entry.
// Cold.
#pragma once

#include "rules/policy.h"
#include "rules/prefix.h"
#include "rules/reference_reader.h"
#include "rules/units.h"

#include <optional>
#include <string>

namespace portcullis {

// Whether mail may go to `address`: it is in a smarthost prefix, or stands for one behind a NAT64 prefix.
[[nodiscard]] bool is_smarthost(const Policy& policy, const Address& address);

// Sources that no router forwards are not spoofed: 0.0.0.0, ::, and fe80::/10.
[[nodiscard]] bool is_routable(const Address& address);

// "tcp destination port 25" if `rule` names such a header, else nothing.
[[nodiscard]] std::optional<std::string>
naming(const Rule& rule, const ReferenceHeader& header, Direction direction);

}  // namespace portcullis
