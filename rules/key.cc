#include "rules/key.h"

#include "rules/byte_order.h"

namespace portcullis {

AddressWords words_of(const Address& address) noexcept {
    return {load_be64(address.bytes.data()), load_be64(address.bytes.data() + 8)};
}

Address address_of(Family family, const AddressWords& words) noexcept {
    Address out;
    out.family = family;
    for (unsigned i = 0; i < 8; ++i) {
        out.bytes[i] = static_cast<std::uint8_t>(words.high >> (56U - 8U * i));
        out.bytes[i + 8] = static_cast<std::uint8_t>(words.low >> (56U - 8U * i));
    }
    return out;
}

}  // namespace portcullis
