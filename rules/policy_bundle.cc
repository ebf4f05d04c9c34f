#include "rules/policy_bundle.h"

#include "rules/list_file.h"
#include "rules/policy_text.h"

#include <xxhash.h>

#include <memory>
#include <string_view>
#include <utility>

namespace portcullis {

namespace {

enum class Lists : std::uint8_t {
    parsed,
    kept_only
};

// Parses `text` and keeps what the policy reads of list files, each as it is when first read.
Result<BundledPolicy>
bundle_with_lists(const std::filesystem::path& file, std::string text, Lists lists) {
    BundledPolicy out;
    out.bundle.file = file.string();
    const auto read_list = [&out, lists](const std::filesystem::path& list) -> Result<std::string> {
        auto known = out.bundle.lists.find(list.string());
        if (known == out.bundle.lists.end()) {
            Result<std::string> read = read_text_file(list);
            if (!read) {
                return read;
            }
            known = out.bundle.lists.emplace(list.string(), std::move(read).value()).first;
        }
        return lists == Lists::parsed ? known->second : std::string();
    };
    Result<Policy> policy = parse_policy(text, file, read_list);
    if (!policy) {
        return policy.errors();
    }
    out.bundle.text = std::move(text);
    out.policy = std::move(policy).value();
    return out;
}

struct HashDeleter {
    void operator()(XXH3_state_t* state) const noexcept { XXH3_freeState(state); }
};

Result<BundledPolicy> read_with_lists(const std::filesystem::path& path, Lists lists) {
    Result<std::string> text = read_text_file(path);
    if (!text) {
        Error error = text.errors().front();
        error.message = "cannot read the policy: " + error.message;
        return error;
    }
    return bundle_with_lists(
        std::filesystem::absolute(path).lexically_normal(), std::move(text).value(), lists
    );
}

}  // namespace

Result<BundledPolicy> read_bundle(const std::filesystem::path& path) {
    return read_with_lists(path, Lists::parsed);
}

Result<BundledPolicy> gather_bundle(const std::filesystem::path& path) {
    return read_with_lists(path, Lists::kept_only);
}

Result<Policy> parse_bundle(const PolicyBundle& bundle) {
    const auto read_list = [&bundle](const std::filesystem::path& list) -> Result<std::string> {
        const auto found = bundle.lists.find(list.string());
        if (found == bundle.lists.end()) {
            return Error{{list.string(), 0, 0}, "it did not come with the policy", ""};
        }
        return found->second;
    };
    return parse_policy(bundle.text, bundle.file, read_list);
}

Result<BundledPolicy> reread_lists(const PolicyBundle& bundle) {
    return bundle_with_lists(bundle.file, bundle.text, Lists::parsed);
}

std::string id_of(const PolicyBundle& bundle) {
    const std::unique_ptr<XXH3_state_t, HashDeleter> state(XXH3_createState());
    XXH3_128bits_reset(state.get());
    const auto add = [&state](std::string_view text) {
        // With its length, so that no text can run over into the next.
        const std::uint64_t bytes = text.size();
        XXH3_128bits_update(state.get(), &bytes, sizeof(bytes));
        XXH3_128bits_update(state.get(), text.data(), text.size());
    };
    add(bundle.file);
    add(bundle.text);
    for (const auto& [path, text] : bundle.lists) {
        add(path);
        add(text);
    }
    const XXH128_hash_t hash = XXH3_128bits_digest(state.get());
    constexpr std::string_view kDigits = "0123456789abcdef";
    constexpr unsigned kWordBits = 64;
    constexpr unsigned kDigitBits = 4;
    std::string out;
    for (const std::uint64_t word : {std::uint64_t{hash.high64}, std::uint64_t{hash.low64}}) {
        for (unsigned bit = kWordBits; bit != 0; bit -= kDigitBits) {
            out += kDigits[(word >> (bit - kDigitBits)) & 0xFU];
        }
    }
    return out;
}

std::uint64_t bytes_of(const PolicyBundle& bundle) noexcept {
    std::uint64_t out = bundle.file.size() + bundle.text.size();
    for (const auto& [path, text] : bundle.lists) {
        out += path.size() + text.size();
    }
    return out;
}

}  // namespace portcullis
