// IdMap: both directions, first match, and ids that have no counterpart.
#include "devices/fs/id_map.h"

#include <gtest/gtest.h>

namespace cloche::fs {
namespace {

TEST(IdMap, WithoutRangesEveryIdIsItself) {
  IdMap map;
  EXPECT_TRUE(map.is_identity());
  for (uint32_t id : {0u, 1000u, 65534u, UINT32_MAX - 1}) {
    EXPECT_EQ(map.to_guest(id), id);
    EXPECT_EQ(map.to_host(id), id);
  }
}

TEST(IdMap, RangesShiftWhatTheyHold) {
  IdMap map({{.guest = 0, .host = 100000, .count = 65536}}, IdMap::Others::kUnknown);
  EXPECT_EQ(map.to_guest(100000), 0u);
  EXPECT_EQ(map.to_guest(165535), 65535u);
  EXPECT_EQ(map.to_guest(165536), IdMap::kNobody);
  EXPECT_EQ(map.to_guest(0), IdMap::kNobody);
  EXPECT_EQ(map.to_host(1000), 101000u);
  EXPECT_EQ(map.to_host(65536), std::nullopt);
}

TEST(IdMap, TheFirstRangeCounts) {
  IdMap map({{.guest = 0, .host = 1000}, {.guest = 5, .host = 1000}, {.guest = 0, .host = 7}}, IdMap::Others::kSame);
  EXPECT_EQ(map.to_guest(1000), 0u);
  EXPECT_EQ(map.to_guest(7), 0u);
  EXPECT_EQ(map.to_host(0), 1000u);
  EXPECT_EQ(map.to_host(5), 1000u);
  EXPECT_EQ(map.to_guest(8), 8u);
  EXPECT_EQ(map.to_host(8), 8u);
}

TEST(IdMap, ARangeMayEndWhereTheIdsDo) {
  IdMap map({{.guest = UINT32_MAX - 2, .host = 10, .count = 100}}, IdMap::Others::kUnknown);
  EXPECT_EQ(map.to_host(UINT32_MAX - 1), 11u);
}

TEST(IdMap, UnchangedIsNobodysId) {
  IdMap map({{.guest = 0, .host = 1000, .count = UINT32_MAX}}, IdMap::Others::kUnknown);
  EXPECT_EQ(map.to_host(IdMap::kUnchanged), IdMap::kUnchanged);
}

}  // namespace
}  // namespace cloche::fs
