// QEMU's tool for images, which makes those for tests and judges ours.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cstdlib>
#include <string>

namespace cloche::block {

inline int qemu_img_code(const std::string& arguments) {
  int status = std::system(("qemu-img " + arguments).c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

inline void qemu_img(const std::string& arguments) { EXPECT_EQ(qemu_img_code(arguments), 0) << arguments; }

}  // namespace cloche::block
