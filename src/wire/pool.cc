#include "wire/pool.h"

namespace cloche::wire {
namespace {

constexpr size_t kLeastMemberBytes = 4 + 4 + 1 + 8;

}  // namespace

std::vector<std::byte> encode_pool(PoolFrame type, Writer payload) {
  return encode_frame(static_cast<VmmFrame>(type), std::move(payload));
}

std::vector<std::byte> encode(const Acquire& acquire) {
  Writer to;
  to.put(acquire.deadline_ms);
  to.put(acquire.lease_ms);
  return encode_pool(PoolFrame::kAcquire, std::move(to));
}

bool decode(std::span<const std::byte> payload, Acquire& acquire) {
  Reader from(payload);
  from.get(acquire.deadline_ms);
  from.get(acquire.lease_ms);
  return from.done();
}

std::vector<std::byte> encode(const PoolLook& look) {
  Writer to;
  for (uint32_t number : {look.min, look.max, look.starting, look.waiting}) to.put(number);
  to.put(static_cast<uint32_t>(look.members.size()));
  for (const PoolLook::Member& member : look.members) {
    to.put(std::string_view(member.id));
    to.put(std::string_view(member.name));
    to.put(member.state);
    to.put(member.age_ms);
  }
  to.put(std::string_view(look.failure));
  return encode_pool(PoolFrame::kStatusIs, std::move(to));
}

bool decode(std::span<const std::byte> payload, PoolLook& look) {
  Reader from(payload);
  for (uint32_t* number : {&look.min, &look.max, &look.starting, &look.waiting}) from.get(*number);
  look.members.resize(from.count(kLeastMemberBytes));
  for (PoolLook::Member& member : look.members) {
    from.get(member.id);
    from.get(member.name);
    from.get(member.state);
    from.get(member.age_ms);
  }
  from.get(look.failure);
  return from.done();
}

}  // namespace cloche::wire
