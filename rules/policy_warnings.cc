#include "rules/policy_warnings.h"

#include "rules/quoted_text.h"
#include "rules/utc_time.h"

#include <algorithm>
#include <string_view>

namespace portcullis {

namespace {

// The warnings of one kind.
class Kind {
public:
    Kind(std::string_view what, std::vector<std::string>& out)
        : what_(what)
        , out_(out) {}

    void add(const SourceLocation& where, const std::string& message, const std::string& cure) {
        if (++count_ <= kWarningsMax) {
            out_.push_back(to_string(Error{where, message, cure}));
        }
    }

    // Says how many were left out.
    void finish() {
        if (count_ > kWarningsMax) {
            out_.push_back(std::to_string(count_ - kWarningsMax) + " more: " + std::string(what_));
        }
    }

private:
    std::string_view what_;
    std::vector<std::string>& out_;
    std::size_t count_ = 0;
};

// Pools sorted by prefix: each stands behind all that contain it.
std::vector<const Pool*> sorted_pools(const Policy& policy) {
    std::vector<const Pool*> out;
    out.reserve(policy.pools.size());
    for (const Pool& pool : policy.pools) {
        out.push_back(&pool);
    }
    std::sort(out.begin(), out.end(), [](const Pool* a, const Pool* b) {
        return a->prefix < b->prefix;
    });
    return out;
}

// The pools that lie in no other, sorted.
std::vector<Prefix> outermost(const std::vector<const Pool*>& pools) {
    std::vector<Prefix> out;
    for (const Pool* pool : pools) {
        if (out.empty() || !out.back().contains(pool->prefix)) {
            out.push_back(pool->prefix);
        }
    }
    return out;
}

// Whether any address of `prefix` is in one of `pools`, which are sorted and disjoint.
bool overlaps(const std::vector<Prefix>& pools, const Prefix& prefix) {
    const auto after = std::upper_bound(pools.begin(), pools.end(), prefix);
    return (after != pools.end() && prefix.contains(*after))
           || (after != pools.begin() && std::prev(after)->contains(prefix));
}

void warn_of_exemptions(
    const Policy& policy,
    const std::vector<const Pool*>& pools,
    UnixSeconds now,
    std::vector<std::string>& out
) {
    Kind expired("exemptions that have expired", out);
    for (const Exemption& exemption : policy.exemptions) {
        const std::optional<UnixSeconds>& expires = exemption.terms->expires;
        if (expires && *expires <= now) {
            expired.add(
                exemption.where(),
                "the exemption of " + to_string(exemption.subscriber) + " expired at "
                    + to_utc_string(*expires) + " UTC",
                "renew or remove it"
            );
        }
    }
    expired.finish();

    Kind outside("exemptions of addresses that are in no pool", out);
    const std::vector<Prefix> all = outermost(pools);
    for (const Exemption& exemption : policy.exemptions) {
        if (!overlaps(all, exemption.subscriber)) {
            outside.add(
                exemption.where(),
                "the exemption of " + to_string(exemption.subscriber)
                    + " is for addresses in no pool",
                "correct the address, or add a [[pool]]"
            );
        }
    }
    outside.finish();
}

void warn_of_classes(const Policy& policy, std::vector<std::string>& out) {
    std::vector<bool> used(policy.classes.size());
    const auto use = [&used](ClassIndex index) {
        if (index.value < used.size()) {
            used[index.value] = true;
        }
    };
    use(policy.unattributed_class);
    for (const Pool& pool : policy.pools) {
        use(pool.service_class);
    }
    for (std::size_t i = 0; i < used.size(); ++i) {
        if (!used[i]) {
            const ServiceClass& unused = policy.classes[i];
            out.push_back(to_string(Error{
                unused.where,
                "class " + in_quotes(unused.name) + " is never used",
                "name it in a [[pool]] or in [unattributed], or remove it"}));
        }
    }
}

bool some_class(const Policy& policy, std::size_t rule, bool only_drop) {
    return std::any_of(policy.classes.begin(), policy.classes.end(), [=](const ServiceClass& one) {
        return drops(one.actions[rule]) || (!only_drop && one.actions[rule] == Action::monitor);
    });
}

void warn_of_rules(const Policy& policy, std::vector<std::string>& out) {
    for (std::size_t i = 0; i < policy.rules.size(); ++i) {
        const Rule& rule = policy.rules[i];
        const bool written = rule.where.line != 0;  // else it is built in, and nobody asked for it
        if (written && !some_class(policy, i, false)) {
            out.push_back(to_string(Error{
                rule.where,
                "no class drops or monitors rule " + in_quotes(rule.name),
                "name it in the drop, reject or monitor list of a [[class]]"}));
        }
        const bool about_mail = rule.name == "smtp" || rule.except_smarthosts;
        if (about_mail && policy.smarthosts.empty() && some_class(policy, i, true)) {
            out.push_back(to_string(Error{
                rule.where,
                "rule " + in_quotes(rule.name) + " is dropped, and there are no smarthosts",
                "list the mail servers that subscribers may reach in [smarthosts]"}));
        }
    }
}

void warn_of_pools(const std::vector<const Pool*>& pools, std::vector<std::string>& out) {
    Kind redundant("pools that change nothing in the pool around them", out);
    std::vector<const Pool*> around;
    for (const Pool* pool : pools) {
        while (!around.empty() && !around.back()->prefix.contains(pool->prefix)) {
            around.pop_back();
        }
        const bool changes_nothing =
            !around.empty() && around.back()->service_class == pool->service_class
            && around.back()->subscriber_prefix_length == pool->subscriber_prefix_length;
        if (changes_nothing) {
            redundant.add(
                pool->where,
                "pool " + to_string(pool->prefix) + " changes nothing in pool "
                    + to_string(around.back()->prefix) + ", line "
                    + std::to_string(around.back()->where.line),
                "remove it, or give it another class"
            );
        }
        around.push_back(pool);
    }
    redundant.finish();
}

void warn_of_passed_faults(const Policy& policy, std::vector<std::string>& out) {
    std::vector<std::string_view> passed;
    for (unsigned i = 0; i < kFaultCount; ++i) {
        if (policy.unclassifiable[i] == Verdict::pass) {
            passed.push_back(label(static_cast<Reason>(index_of(kFirstFault) + i)));
        }
    }
    if (!passed.empty()) {
        out.push_back(
            "[unclassifiable] passes frames that can hide their port from every rule: "
            + joined(passed) + " (default = \"drop\" is safe)"
        );
    }
}

}  // namespace

std::vector<std::string> warnings(const Policy& policy, UnixSeconds now) {
    std::vector<std::string> out;
    const std::vector<const Pool*> pools = sorted_pools(policy);
    warn_of_pools(pools, out);
    warn_of_classes(policy, out);
    warn_of_rules(policy, out);
    warn_of_exemptions(policy, pools, now, out);
    warn_of_passed_faults(policy, out);
    return out;
}

}  // namespace portcullis
