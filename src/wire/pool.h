// What is said on the socket of a served pool. A client sends one request and waits for its answer, then it may send
// the next one. Frames are those of wire/guest.h; what cannot be done is answered with kRefused (Failed of wire/vmm.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "wire/vmm.h"

namespace cloche::wire {

inline constexpr const char* kPoolSocket = "control";

enum class PoolFrame : uint16_t {
  kAcquire = 224,   // Acquire; kAcquired, or kRefused at the deadline. A client that closes meanwhile gets none
  kAcquired = 225,  // text: the sandbox's name. It comes back when the client closes before it has said
  kTaken = 231,     // no payload; kDone
  kRelease = 226,   // text: the sandbox's name or id; kDone
  kDone = 227,
  kStatus = 228,    // no payload; kStatusIs
  kStatusIs = 229,  // PoolLook
  kRefused = 230,
};

struct Acquire {
  uint32_t deadline_ms = 0;
  uint64_t lease_ms = 0;  // 0: until it is given back.
};

struct PoolLook {
  struct Member {
    std::string id, name;
    uint8_t state = 0;  // PooledState
    uint64_t age_ms = 0;
  };
  uint32_t min = 0, max = 0, starting = 0, waiting = 0;
  std::vector<Member> members{};
  std::string failure{};
};

// A request is never larger than this, an answer never larger than that.
inline constexpr uint32_t kMaxPoolRequestBytes = 256;
inline constexpr uint32_t kMaxPoolAnswerBytes = 4 << 20;

std::vector<std::byte> encode_pool(PoolFrame type, Writer payload = {});
std::vector<std::byte> encode(const Acquire& acquire);
std::vector<std::byte> encode(const PoolLook& look);
bool decode(std::span<const std::byte> payload, Acquire& acquire);
bool decode(std::span<const std::byte> payload, PoolLook& look);

}  // namespace cloche::wire
