#include "cloche/hostname.h"

#include <gtest/gtest.h>

#include <string>

namespace cloche {
namespace {

TEST(HostnameTest, WhatIsOne) {
  for (const std::string& name : {std::string("a"), std::string("a-1.Example"), std::string("7"), std::string(63, 'x')})
    EXPECT_TRUE(is_hostname(name)) << name;
}

TEST(HostnameTest, WhatIsNone) {
  for (const std::string& name :
       {std::string(), std::string("my_host"), std::string("::"), std::string("-a"), std::string("a-"),
        std::string("a..b"), std::string(".a"), std::string("a."), std::string("a.-b"), std::string("\xc3\xa4"),
        std::string(64, 'x'), std::string("a\0b", 3)})
    EXPECT_FALSE(is_hostname(name)) << name;
}

}  // namespace
}  // namespace cloche
