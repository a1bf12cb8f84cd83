#include "cloche/stub.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/built_as_stub.h"

namespace cloche {
namespace {

class Stub : public testing::Test {
 protected:
  void SetUp() override { ::unsetenv("CLOCHE_STUB"); }
  void TearDown() override { ::unsetenv("CLOCHE_STUB"); }
};

TEST_F(Stub, IsNoneUnlessBuiltAsOneOrToldSo) {
  EXPECT_EQ(refuse_as_stub().has_value(), !built_as_stub());
  for (const char* word : {"", "0"}) {
    ::setenv("CLOCHE_STUB", word, 1);
    EXPECT_EQ(refuse_as_stub().has_value(), !built_as_stub()) << word;
  }
}

TEST_F(Stub, SaysThatItIsOne) {
  for (const char* word : {"1", "yes", "00"}) {
    ::setenv("CLOCHE_STUB", word, 1);
    auto refused = refuse_as_stub();
    ASSERT_FALSE(refused) << word;
    EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
    EXPECT_NE(refused.error().what.find("as a stub"), std::string::npos) << refused.error().what;
  }
}

}  // namespace
}  // namespace cloche
