// publish_policy SOCKET POLICY GENERATION: compiles a policy file and publishes it to a dataplane, for tests
// that need no control process. Exit status 0: effective; 1: refused; 2: could not ask.
#include "control/dataplane_client.h"
#include "rules/policy_compiler.h"
#include "rules/policy_text.h"
#include "rules/slot_layout.h"

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <thread>

namespace {

using namespace portcullis;

constexpr std::chrono::seconds kTimeout{10};

Result<ImageBytes> image_of(const char* file) {
    const Result<Policy> policy = read_policy_file(file);
    if (!policy) {
        return policy.errors();
    }
    const Result<SlotLayout> layout = SlotLayout().extended_for(policy.value());
    if (!layout) {
        return layout.errors();
    }
    return compile(policy.value(), layout.value(), 0);
}

// The dataplane may be about to start.
Result<DataplaneClient> connect(const char* socket) {
    const auto deadline = std::chrono::steady_clock::now() + kTimeout;
    for (;;) {
        Result<DataplaneClient> client = DataplaneClient::connect(socket, kTimeout);
        if (client || std::chrono::steady_clock::now() > deadline) {
            return client;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
}

int fail(const Errors& errors) {
    std::cerr << to_string(errors);
    return 2;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) {
        std::cerr << "usage: publish_policy SOCKET POLICY GENERATION\n";
        return 2;
    }
    const Result<ImageBytes> image = image_of(argv[2]);
    if (!image) {
        return fail(image.errors());
    }
    Result<DataplaneClient> client = connect(argv[1]);
    if (!client) {
        return fail(client.errors());
    }
    const Generation generation{std::strtoull(argv[3], nullptr, 10)};
    const Result<PublishAnswer> answer =
        client.value().publish(generation, image.value().bytes(), kTimeout);
    if (!answer) {
        return fail(answer.errors());
    }
    std::cout << label(answer.value().status) << ' ' << answer.value().message << '\n';
    return answer.value().effective() ? 0 : 1;
}
