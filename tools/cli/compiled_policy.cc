#include "tools/cli/compiled_policy.h"

#include "rules/policy_text.h"

#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <system_error>
#include <utility>

namespace portcullis::cli {

namespace {

// Why `path` cannot even be read: that says nothing about a policy.
std::optional<Error> check_readable(const std::filesystem::path& path) {
    const std::string cure = "name a policy file (TOML) that you may read";
    const auto refuse = [&](int reason) {
        return Error{
            {},
            "cannot read the policy '" + path.string()
                + "': " + std::generic_category().message(reason),
            cure};
    };
    if (::access(path.c_str(), R_OK) != 0) {
        return refuse(errno);
    }
    std::error_code ignored;
    if (std::filesystem::is_directory(path, ignored)) {
        return refuse(EISDIR);
    }
    return std::nullopt;
}

Result<CompiledPolicy> compile_policy(Policy policy) {
    const auto now = static_cast<UnixSeconds>(std::time(nullptr));
    Result<SlotLayout> layout = SlotLayout{}.extended_for(policy);
    if (!layout) {
        return layout.errors();
    }
    Result<ImageBytes> image = compile(policy, layout.value(), now);
    if (!image) {
        return image.errors();
    }
    Result<ImageView> view = validate(image.value().bytes());
    if (!view) {
        return view.errors();
    }
    return CompiledPolicy{
        std::move(policy), std::move(layout).value(), std::move(image).value(), view.value(), now};
}

}  // namespace

PolicyReading read_file(const std::filesystem::path& path) {
    if (std::optional<Error> error = check_readable(path)) {
        return {std::nullopt, ExitStatus::could_not_run, {*std::move(error)}};
    }
    Result<Policy> policy = read_policy_file(path);
    if (!policy) {
        return {std::nullopt, ExitStatus::no, policy.errors()};
    }
    return {std::move(policy).value(), ExitStatus::done, {}};
}

std::string rule_name(const Policy& policy, std::uint8_t rule) {
    return rule < policy.rules.size() ? policy.rules[rule].name : "-";
}

PolicyAttempt compile_file(const std::filesystem::path& path) {
    PolicyReading reading = read_file(path);
    if (!reading.policy) {
        return {std::nullopt, reading.status, std::move(reading.errors)};
    }
    Result<CompiledPolicy> compiled = compile_policy(*std::move(reading.policy));
    if (!compiled) {
        return {std::nullopt, ExitStatus::no, compiled.errors()};
    }
    return {std::move(compiled).value(), ExitStatus::done, {}};
}

BundleReading gather_file(const std::filesystem::path& path) {
    if (std::optional<Error> error = check_readable(path)) {
        return {std::nullopt, ExitStatus::could_not_run, {*std::move(error)}};
    }
    Result<BundledPolicy> gathered = gather_bundle(path);
    if (!gathered) {
        // Once more for the errors, with the file as the user calls it.
        PolicyReading reading = read_file(path);
        return {
            std::nullopt,
            reading.policy ? ExitStatus::no : reading.status,
            reading.policy ? gathered.errors() : reading.errors};
    }
    const Result<CompiledPolicy> compiled = compile_policy(gathered.value().policy);
    if (!compiled) {
        return {std::nullopt, ExitStatus::no, compiled.errors()};
    }
    return {std::move(gathered.value().bundle), ExitStatus::done, {}};
}

}  // namespace portcullis::cli
