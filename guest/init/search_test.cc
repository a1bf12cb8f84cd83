#include "guest/init/search.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace cloche::init {
namespace {

// How execute() went in a process of its own: the exit code of what it became, or its refusal.
struct Went {
  int code = -1;
  Refusal refusal;
};

Went went(std::vector<std::string> words, std::vector<std::string> environment) {
  auto pointers = [](std::vector<std::string>& texts, std::vector<char*> list) {
    for (std::string& text : texts) list.push_back(text.data());
    list.push_back(nullptr);
    return list;
  };
  int pipe[2];
  EXPECT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
  pid_t pid = ::fork();
  if (pid == 0) {
    Refusal refusal = execute(pointers(words, {nullptr}).data(), pointers(environment, {}).data());
    ::_exit(::write(pipe[1], &refusal, sizeof refusal) == sizeof refusal ? 99 : 98);
  }
  ::close(pipe[1]);
  Went result;
  [[maybe_unused]] ssize_t got = ::read(pipe[0], &result.refusal, sizeof result.refusal);
  ::close(pipe[0]);
  int status = 0;
  ::waitpid(pid, &status, 0);
  result.code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  return result;
}

class SearchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/cloche-init-search-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    top_ = name;
    for (const char* folder : {"/one", "/two", "/prog"}) std::filesystem::create_directory(top_ + folder);
  }
  void TearDown() override { std::filesystem::remove_all(top_); }
  std::string put(const std::string& name, const std::string& text, bool executable = true) {
    std::ofstream(top_ + name) << text;
    if (executable) std::filesystem::permissions(top_ + name, std::filesystem::perms(0755));
    return top_ + name;
  }
  std::string path() const { return "PATH=" + top_ + "/one:" + top_ + "/two"; }
  const std::string& top() const { return top_; }

 private:
  std::string top_;
};

TEST_F(SearchTest, TakesTheFirstInTheGivenPath) {
  put("/two/prog", "#!/bin/sh\nexit 2\n");
  EXPECT_EQ(went({"prog"}, {"A=b", path()}).code, 2);
  put("/one/prog", "#!/bin/sh\nexit 1\n");
  EXPECT_EQ(went({"prog"}, {"A=b", path()}).code, 1);
}

TEST_F(SearchTest, PassesOverWhatMayNotBeExecuted) {
  put("/one/prog", "#!/bin/sh\nexit 1\n", false);
  Refusal refusal = went({"prog"}, {path()}).refusal;
  EXPECT_EQ(refusal.error, EACCES);
  EXPECT_FALSE(refusal.missing);
  put("/two/prog", "#!/bin/sh\nexit 2\n");
  EXPECT_EQ(went({"prog"}, {path()}).code, 2);
}

TEST_F(SearchTest, DefaultPathWithoutOne) { EXPECT_EQ(went({"sh", "-c", "exit 4"}, {}).code, 4); }

TEST_F(SearchTest, EmptyEntryIsTheWorkingDirectory) {
  put("/prog/here", "#!/bin/sh\nexit 6\n");
  std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(top() + "/prog");
  EXPECT_EQ(went({"here"}, {"PATH=/nowhere:"}).code, 6);
  EXPECT_EQ(went({"here"}, {"PATH="}).code, 6);
  EXPECT_TRUE(went({"here"}, {"PATH=/nowhere"}).refusal.missing);
  std::filesystem::current_path(before);
}

TEST_F(SearchTest, ScriptWithoutAnInterpreterLineIsForTheShell) {
  std::string script = put("/two/script", "test \"$1$2\" = ab && exit 7\n");
  EXPECT_EQ(went({"script", "a", "b"}, {path()}).code, 7);
  EXPECT_EQ(went({script, "a", "b"}, {}).code, 7);
}

TEST_F(SearchTest, ForeignBinaryIsNotForTheShell) {
  std::string program = put("/two/arm", std::string("\177ELF\2\1\1\0", 8));
  Refusal refusal = went({program}, {}).refusal;
  EXPECT_EQ(refusal.error, ENOEXEC);
  EXPECT_FALSE(refusal.missing);
}

TEST_F(SearchTest, GarbageIsNotForTheShell) {
  std::string program = put("/two/garbage", std::string("\0\1\2 not a program", 18));
  EXPECT_EQ(went({program}, {}).refusal.error, ENOEXEC);
}

TEST_F(SearchTest, MissingInterpreterIsNotAMissingProgram) {
  std::string script = put("/one/script", "#!/no/such/interpreter\n");
  for (const std::string& name : {script, std::string("script")}) {
    Refusal refusal = went({name}, {path()}).refusal;
    EXPECT_EQ(refusal.error, ENOENT);
    EXPECT_FALSE(refusal.missing);
  }
}

TEST_F(SearchTest, Missing) {
  for (const char* name : {"", "nosuch", "/no/such", "./nosuch"}) {
    Refusal refusal = went({name}, {path()}).refusal;
    EXPECT_EQ(refusal.error, ENOENT) << name;
    EXPECT_TRUE(refusal.missing) << name;
  }
  std::string file = put("/one/file", "");
  EXPECT_TRUE(went({file + "/x"}, {}).refusal.missing);
}

TEST_F(SearchTest, EntriesTooLongForAPathArePassedOver) {
  std::string all = "PATH=";
  for (int i = 0; i < 5000; ++i) all += "/x";
  EXPECT_EQ(went({"sh", "-c", "exit 4"}, {all + ":/bin"}).code, 4);
  EXPECT_TRUE(went({std::string(10'000, 'n')}, {"PATH=/bin"}).refusal.missing);
}

}  // namespace
}  // namespace cloche::init
