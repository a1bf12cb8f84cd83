#include "guest/init/home.h"

#include <gtest/gtest.h>

namespace cloche::init {
namespace {

TEST(Home, OfTheUserInPasswd) {
  constexpr std::string_view kPasswd =
      "root:x:0:0:root:/root:/bin/bash\n"
      "# comment\n"
      "\n"
      "short:x:7\n"
      "noname\n"
      "user:x:1000:1000:,,,:/home/user:/bin/sh\n"
      "last:x:4294967295:0::/last";
  EXPECT_EQ(home_in(kPasswd, 0), "/root");
  EXPECT_EQ(home_in(kPasswd, 1000), "/home/user");
  EXPECT_EQ(home_in(kPasswd, 4294967295u), "/last");
  EXPECT_EQ(home_in(kPasswd, 7), "");
  EXPECT_EQ(home_in(kPasswd, 100), "");
  EXPECT_EQ(home_in("", 0), "");
  EXPECT_EQ(home_in("a:x:99999999999999999999:0::/home:\na:x:-1:0::/b:\na:x::0::/b:", 0), "");
}

TEST(Home, NobodyKnownLivesInTheRoot) { EXPECT_EQ(home_of(3'000'000'000u), "/"); }

}  // namespace
}  // namespace cloche::init
