#include "dataplane/counter_memory.h"

#include "tests/rules/slot_memory.h"

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

using namespace portcullis;
using namespace portcullis::dataplane;
using portcullis::test::add_passed;

namespace {

CounterShape small_shape() {
    CounterShape shape;
    shape.workers = 3;
    shape.slot_capacity = 1'000;
    shape.active_places = 64;
    shape.watch_places = 128;
    shape.ports = {"inside", "a name that is a good deal too long for its place"};
    shape.tsc_hz = 42;
    return shape;
}

CounterMemory make(const CounterShape& shape) {
    Result<CounterMemory> memory = CounterMemory::create(shape);
    REQUIRE(memory.has_value());
    return std::move(memory).value();
}

// A mapping as another process has it.
class Reader {
public:
    Reader(int descriptor, std::size_t bytes)
        : descriptor_(::dup(descriptor))
        , bytes_(bytes)
        , data_(::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, descriptor_.get(), 0)) {
        REQUIRE(data_ != MAP_FAILED);
    }

    ~Reader() { ::munmap(data_, bytes_); }

    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;
    Reader(Reader&&) = delete;
    Reader& operator=(Reader&&) = delete;

    [[nodiscard]] const std::byte* data() const { return static_cast<const std::byte*>(data_); }

    [[nodiscard]] const CounterHeader& header() const {
        return *reinterpret_cast<const CounterHeader*>(data_);
    }

    [[nodiscard]] const WorkerCounters& worker(unsigned index) const {
        return *reinterpret_cast<const WorkerCounters*>(data() + worker_offset(header(), index));
    }

    [[nodiscard]] SlotsView::Slot slot(unsigned worker, std::size_t index) const {
        const std::size_t count = std::size_t{header().slot_capacity} + header().active_places;
        return SlotsView(data() + slots_offset(header(), worker), count)[index];
    }

private:
    FileDescriptor descriptor_;
    std::size_t bytes_;
    void* data_;
};

}  // namespace

TEST_CASE("the header says what lies where") {
    CounterMemory memory = make(small_shape());
    const CounterHeader& header = memory.header();
    CHECK(header.magic == kCounterMagic);
    CHECK(header.version == kCounterVersion);
    CHECK(header.worker_count == 3);
    CHECK(header.slot_capacity == 1'000);
    CHECK(header.active_places == 64);
    CHECK(header.watch_places == 128);
    CHECK(header.tsc_hz == 42);
    CHECK(header.port_count == 2);
    CHECK(std::strcmp(header.ports[0].name.data(), "inside") == 0);
    CHECK(std::strlen(header.ports[1].name.data()) == header.ports[1].name.size() - 1);
    CHECK(header.instance != make(small_shape()).header().instance);
    const Reader reader(memory.descriptor(), header.memory_bytes);
    CHECK(reader.header().memory_bytes == header.memory_bytes);
}

TEST_CASE("blocks of different workers do not overlap and lie within the memory") {
    CounterMemory memory = make(small_shape());
    const CounterHeader& header = memory.header();
    for (unsigned worker = 0; worker < 3; ++worker) {
        const bool last = worker == 2;
        CHECK(worker_offset(header, worker) >= sizeof(CounterHeader));
        CHECK(
            worker_offset(header, worker) + sizeof(WorkerCounters)
            <= (last ? slots_offset(header, 0) : worker_offset(header, worker + 1))
        );
        CHECK(
            slots_offset(header, worker) + Slots::bytes_for(1'000 + 64)
            <= (last ? active_offset(header, 0) : slots_offset(header, worker + 1))
        );
        CHECK(
            active_offset(header, worker) + 64 * sizeof(ActiveEntry)
            <= (last ? watch_offset(header, 0) : active_offset(header, worker + 1))
        );
        CHECK(
            watch_offset(header, worker) + watch_table_bytes(128)
            <= (last ? header.memory_bytes : watch_offset(header, worker + 1))
        );
    }
}

TEST_CASE("a reader sees what a worker counts, and its final values when the dataplane is gone") {
    auto memory = std::make_unique<CounterMemory>(make(small_shape()));
    const Reader reader(memory->descriptor(), memory->header().memory_bytes);
    CHECK(reader.worker(2).turns.read() == 0);
    memory->worker(2).turns.add(7);
    add_passed(memory->slots(1)[999], 0, 2, 120);
    CHECK(reader.worker(2).turns.read() == 7);
    CHECK(reader.slot(1, 999).passed(0).bytes == 120);
    memory->worker(2).turns.add(1);
    memory.reset();
    CHECK(reader.worker(2).turns.read() == 8);
    CHECK(reader.slot(1, 999).passed(0).frames == 2);
}

TEST_CASE("nobody else can write the counters or change their size") {
    CounterMemory memory = make(small_shape());
    const FileDescriptor other(::dup(memory.descriptor()));
    const std::size_t bytes = memory.header().memory_bytes;
    CHECK(::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, other.get(), 0) == MAP_FAILED);
    void* readable = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, other.get(), 0);
    REQUIRE(readable != MAP_FAILED);
    CHECK(::mprotect(readable, bytes, PROT_READ | PROT_WRITE) != 0);
    CHECK(::munmap(readable, bytes) == 0);
    const ssize_t written = ::write(other.get(), "x", 1);
    const int why = errno;  // before a macro of the test calls anything
    CHECK(written == -1);
    // Sealed; huge pages, where the machine has some, cannot be written to by anybody.
    CHECK((why == EPERM || why == EINVAL));
    CHECK(::ftruncate(other.get(), 0) == -1);
    CHECK(::ftruncate(other.get(), static_cast<off_t>(bytes) * 2) == -1);
    CHECK(::fallocate(other.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) == -1);
    CHECK(::fcntl(other.get(), F_ADD_SEALS, F_SEAL_WRITE) == -1);
}

TEST_CASE("an active subscriber's place counts behind the slots of all others") {
    CounterMemory memory = make(small_shape());
    ActiveTable table = memory.active(1);
    REQUIRE_FALSE(table.empty());
    const AddressWords prefix{0x2001'0DB8'0000'0100U, 0};
    const std::uint32_t place = table.find(Family::ipv6, prefix, 56, 1, true);
    REQUIRE(place < 64);
    add_passed(memory.slots(1)[1'000 + place], 0, 1, 60);
    const Reader reader(memory.descriptor(), memory.header().memory_bytes);
    const auto& entry = reinterpret_cast<const ActiveEntry*>(
        reader.data() + active_offset(reader.header(), 1)
    )[place];
    const auto found = read_active(entry, reader.slot(1, 1'000 + place));
    REQUIRE(found.has_value());
    CHECK(found->passed[0].bytes == 60);
}

TEST_CASE("what a worker notes of a subscriber under watch is read by others") {
    CounterMemory memory = make(small_shape());
    WatchTable table = memory.watch(2);
    WatchedFrame frame;
    frame.family = Family::ipv4;
    frame.prefix_length = 32;
    frame.rule = 1;
    frame.initial_syn = true;
    REQUIRE(table.note(frame, 7));
    const Reader reader(memory.descriptor(), memory.header().memory_bytes);
    const std::byte* index = reader.data() + watch_offset(reader.header(), 2);
    const auto* entries = reinterpret_cast<const WatchEntry*>(index + 128 * sizeof(std::uint64_t));
    unsigned found = 0;
    for (unsigned place = 0; place < 128; ++place) {
        const auto watched = read_watched(entries[place], 7);
        found += watched && watched->rules[1].flows == 1 ? 1U : 0U;
    }
    CHECK(found == 1);
}

TEST_CASE("without room for active subscribers there is no table") {
    CounterShape shape = small_shape();
    shape.active_places = 0;
    shape.watch_places = 0;
    CounterMemory memory = make(shape);
    CHECK(memory.active(0).empty());
    CHECK(memory.watch(0).empty());
}

TEST_CASE("populating slots changes no counter") {
    CounterMemory memory = make(small_shape());
    add_passed(memory.slots(0)[500], 0, 3, 180);
    memory.populate_slots(1'000);
    memory.populate_active();
    memory.populate_watch();
    CHECK(memory.slots(0)[500].passed(0).frames == 3);
    CHECK(memory.slots(0)[501].passed(0).frames == 0);
    CHECK(memory.active(2).find(Family::ipv4, {}, 32, 0, false) == ActiveTable::kNoPlace);
}

TEST_CASE("more memory than there is gets an error with a cure, not a crash") {
    CounterShape shape = small_shape();
    shape.workers = kWorkersMax;
    shape.slot_capacity = 1U << 30U;  // 8 TiB
    const Result<CounterMemory> memory = CounterMemory::create(shape);
    if (!memory) {  // a machine that overcommits without bounds gives it
        CHECK(memory.errors().front().cure.find("--subscriber-slots") != std::string::npos);
    }
}
