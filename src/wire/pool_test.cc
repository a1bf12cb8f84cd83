// The messages of a served pool: there and back, and never beyond what has arrived.
#include "wire/pool.h"

#include <gtest/gtest.h>

namespace cloche::wire {
namespace {

std::span<const std::byte> payload_of(const std::vector<std::byte>& frame) {
  return std::span(frame).subspan(FrameHeader::kSize);
}

PoolLook a_look() {
  return {.min = 1,
          .max = 4,
          .starting = 2,
          .waiting = 3,
          .members = {{"id1", "web-1", 2, 1500}, {"id2", "", 0, 0}},
          .failure = "no kernel"};
}

TEST(PoolMessages, ThereAndBack) {
  Acquire acquire;
  ASSERT_TRUE(decode(payload_of(encode(Acquire{.deadline_ms = 7, .lease_ms = UINT64_MAX})), acquire));
  EXPECT_EQ(acquire.deadline_ms, 7u);
  EXPECT_EQ(acquire.lease_ms, UINT64_MAX);
  PoolLook look;
  ASSERT_TRUE(decode(payload_of(encode(a_look())), look));
  EXPECT_EQ(look.waiting, 3u);
  ASSERT_EQ(look.members.size(), 2u);
  EXPECT_EQ(look.members[0].name, "web-1");
  EXPECT_EQ(look.members[0].age_ms, 1500u);
  EXPECT_EQ(look.failure, "no kernel");
}

template <typename Message>
void expect_only_whole(const Message& message) {
  auto frame = encode(message);
  std::vector<std::byte> payload(frame.begin() + FrameHeader::kSize, frame.end());
  for (size_t size = 0; size < payload.size(); ++size) {
    Message cut;
    EXPECT_FALSE(decode(std::span(payload).first(size), cut)) << size;
  }
  payload.push_back(std::byte{0});
  Message longer;
  EXPECT_FALSE(decode(payload, longer));
}

TEST(PoolMessages, CutShortOrTooLongIsRefused) {
  expect_only_whole(a_look());
  expect_only_whole(Acquire{.deadline_ms = 1});
}

TEST(PoolMessages, ACountThatCannotBeAllocatesNothing) {
  Writer to;
  for (int i = 0; i < 4; ++i) to.put(uint32_t{0});
  to.put(uint32_t{0xffffffff});
  to.put(std::string_view("x"));
  PoolLook look;
  EXPECT_FALSE(decode(to.bytes(), look));
  EXPECT_TRUE(look.members.empty());
}

}  // namespace
}  // namespace cloche::wire
