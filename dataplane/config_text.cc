#include "dataplane/config_text.h"

#include "dataplane/cpu_list.h"
#include "dataplane/device_name.h"
#include "rules/counter_layout.h"
#include "rules/error_list.h"
#include "rules/list_file.h"
#include "rules/quoted_text.h"
#include "rules/table_reader.h"
#include "rules/text_value.h"
#include "rules/toml_document.h"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>

namespace portcullis::dataplane {

namespace {

constexpr std::int64_t kVersion = 1;
constexpr std::size_t kTextBytesMax = std::size_t{1} << 20U;

constexpr std::array<KeySpec, 17> kKeys = {{
    {"version", "version = 1"},
    {"pair", "[[pair]]"},
    {"workers", "workers = 4"},
    {"cpus", "cpus = \"2-5\""},
    {"idle", "idle = \"sleep\""},
    {"isa", "isa = \"auto\""},
    {"reject_rate", "reject_rate = 1000"},
    {"before_policy", "before_policy = \"pass\""},
    {"wait_for_policy", "wait_for_policy = true"},
    {"subscriber_slots", "subscriber_slots = 8388608"},
    {"active_subscribers", "active_subscribers = 1048576"},
    {"watched_subscribers", "watched_subscribers = 65536"},
    {"memory_mib", "memory_mib = 2048"},
    {"test_mode", "test_mode = true"},
    {"socket", "socket = \"/run/portcullis/dataplane.sock\""},
    {"eal", "eal = [\"--proc-type\", \"primary\"]"},
    {"log_level", "log_level = \"info\""},
}};

constexpr std::array<KeySpec, 4> kPairKeys = {{
    {"inside", "inside = \"0000:01:00.0\""},
    {"outside", "outside = \"0000:01:00.1\""},
    {"mtu", "mtu = 9000"},
    {"mirror_link", "mirror_link = true"},
}};

constexpr std::array<std::string_view, 1> kTables = {"pair"};

template <typename Value>
struct Named {
    std::string_view name;
    Value value;
};

constexpr std::array<Named<Verdict>, 2> kVerdicts = {
    {{"pass", Verdict::pass}, {"drop", Verdict::drop}}};
constexpr std::array<Named<Idle>, 2> kIdles = {{{"sleep", Idle::sleep}, {"poll", Idle::poll}}};

// One text while it is read.
class Reader {
public:
    Reader(const TextValue& top, ErrorList& errors)
        : top_(top, "the configuration", kKeys, errors)
        , errors_(errors) {}

    [[nodiscard]] Options read() {
        read_version();
        read_pairs();
        read_workers();
        read_choice("idle", kIdles, out_.idle);
        read_choice("isa", kIsaChoices, out_.isa);
        read_choice("before_policy", kVerdicts, out_.before_policy);
        out_.wait_for_policy = top_.boolean("wait_for_policy", out_.wait_for_policy);
        out_.test_mode = top_.boolean("test_mode", out_.test_mode);
        read_number("subscriber_slots", 1U, kSubscriberSlotsMax, out_.subscriber_slots);
        read_number("active_subscribers", 0U, kActiveSubscribersMax, out_.active_subscribers);
        read_number("watched_subscribers", 0U, kWatchedSubscribersMax, out_.watched_subscribers);
        read_number("reject_rate", 0U, kRejectRateMax, out_.reject_rate);
        read_number("memory_mib", 1U, kMemoryMibMax, out_.memory_mib);
        if (const TextValue* socket = top_.find("socket", TextKind::string)) {
            out_.socket = socket->text;
        }
        top_.for_each_string("eal", [this](const TextValue& word) {
            out_.eal_arguments.emplace_back(word.text);
        });
        read_log_level();
        return std::move(out_);
    }

private:
    void read_version() {
        const TextValue* const version = top_.require("version", TextKind::integer);
        if (version != nullptr && version->number != kVersion) {
            errors_.add(
                version->at,
                "version " + std::to_string(version->number) + " is not known here",
                "this program reads version 1"
            );
        }
    }

    void read_number(
        std::string_view key,
        std::uint32_t least,
        std::uint32_t most,
        std::uint32_t& where
    ) {
        read_number(top_, key, least, most, where);
    }

    template <typename Number>
    void read_number(
        const TableReader& table,
        std::string_view key,
        std::uint32_t least,
        std::uint32_t most,
        Number& where
    ) {
        const TextValue* const value = table.find(key, TextKind::integer);
        if (value == nullptr) {
            return;
        }
        if (value->number < least || value->number > most) {
            errors_.add(
                value->at,
                std::string(key) + " is " + std::to_string(value->number),
                "at least " + std::to_string(least) + ", at most " + std::to_string(most)
            );
            return;
        }
        where = static_cast<Number>(value->number);
    }

    // Choices have a name and a value.
    template <typename Choice, typename Value, std::size_t kCount>
    void
    read_choice(std::string_view key, const std::array<Choice, kCount>& choices, Value& where) {
        const TextValue* const value = top_.find(key, TextKind::string);
        if (value == nullptr) {
            return;
        }
        std::array<std::string_view, kCount> names;
        for (std::size_t i = 0; i < kCount; ++i) {
            names[i] = choices[i].name;
            if (value->text == choices[i].name) {
                where = choices[i].value;
                return;
            }
        }
        not_one_of(key, *value, names);
    }

    void not_one_of(
        std::string_view key,
        const TextValue& value,
        std::span<const std::string_view> names
    ) {
        errors_.add(
            value.at,
            std::string(key) + " cannot be " + in_quotes(value.text),
            suggestion(value.text, "one of", names)
        );
    }

    void read_log_level() {
        const TextValue* const level = top_.find("log_level", TextKind::string);
        if (level == nullptr) {
            return;
        }
        for (const std::string_view name : kLogLevels) {
            if (level->text == name) {
                out_.log_level = name;
                return;
            }
        }
        not_one_of("log_level", *level, kLogLevels);
    }

    // One CPU a worker, where CPUs are named; as many workers as CPUs, where only they are.
    void read_workers() {
        read_number("workers", 1U, kWorkersMax, out_.workers);
        const TextValue* const list = top_.find("cpus", TextKind::string);
        if (list == nullptr) {
            return;
        }
        std::optional<std::vector<unsigned>> cpus = parse_cpu_list(list->text);
        if (!cpus) {
            errors_.add(
                list->at,
                in_quotes(list->text) + " is not a list of CPUs, each named once",
                "write for example cpus = \"2-5,8\"; lscpu --extended shows them"
            );
            return;
        }
        if (top_.find("workers") == nullptr) {
            out_.workers = static_cast<unsigned>(cpus->size());
        }
        if (out_.workers != cpus->size() || out_.workers > kWorkersMax) {
            errors_.add(
                list->at,
                "cpus names " + std::to_string(cpus->size()) + " CPUs for "
                    + std::to_string(out_.workers) + " workers",
                "name one CPU for each worker, at most " + std::to_string(kWorkersMax)
                    + ", or leave one of the two out"
            );
            return;
        }
        out_.cpus = *std::move(cpus);
    }

    void read_pairs() {
        const TextValue* const pairs = top_.find("pair");
        if (pairs == nullptr) {
            return;  // the command line may name them
        }
        if (pairs->kind != TextKind::list) {
            errors_.add(
                pairs->at,
                "pair must be a list of tables, not " + std::string(describe(pairs->kind)),
                "write [[pair]] for each"
            );
            return;
        }
        for (const TextValue& pair : pairs->items) {
            read_pair(pair);
        }
    }

    void read_pair(const TextValue& text) {
        if (text.kind != TextKind::table) {
            errors_.add(
                text.at,
                "an item of pair must be a table, not " + std::string(describe(text.kind)),
                "write [[pair]] for each"
            );
            return;
        }
        const TableReader table(text, "[[pair]]", kPairKeys, errors_);
        PortPair pair;
        read_device(table, "inside", pair.inside);
        read_device(table, "outside", pair.outside);
        read_number(table, "mtu", kMtuMin, kMtuMax, pair.mtu);
        pair.mirror_link = table.boolean("mirror_link", false);
        if (out_.pairs.size() == kPortsMax / 2) {
            errors_.add(
                text.at, "more than " + std::to_string(kPortsMax / 2) + " pairs", "leave some out"
            );
            return;
        }
        out_.pairs.push_back(std::move(pair));
    }

    void read_device(const TableReader& table, std::string_view key, std::string& where) {
        const TextValue* const device = table.require(key, TextKind::string);
        if (device == nullptr) {
            return;
        }
        where = device->text;
        const std::string name = port_name(where);
        TextValue named = *device;
        named.text = name;
        (void)devices_.add(named, errors_);
    }

    TableReader top_;
    ErrorList& errors_;
    NameSet devices_{"port"};
    Options out_;
};

}  // namespace

Result<Options> parse_config(std::string_view text, const std::filesystem::path& file) {
    if (text.size() > kTextBytesMax) {
        return Error{
            {file.string(), 0, 0},
            "has " + std::to_string(text.size()) + " bytes: no configuration of this program",
            "at most " + std::to_string(kTextBytesMax)};
    }
    ErrorList errors(file.string());
    const TomlDocument document(text, kTables, ShortWay::no, errors);
    TextValue top;
    top.at = {1, 1};
    for (const TextEntry& entry : document.keys()) {
        top.entries.push_back({entry.key, entry.at, *document.find(entry.key)});
    }
    Options options = Reader(top, errors).read();
    if (!errors.empty()) {
        return errors.take_sorted();
    }
    return options;
}

Result<Options> read_config_file(const std::filesystem::path& path) {
    const Result<std::string> text = read_text_file(path);
    if (!text) {
        Error error = text.errors().front();
        error.message = "cannot read the configuration: " + error.message;
        return error;
    }
    return parse_config(text.value(), path);
}

}  // namespace portcullis::dataplane
