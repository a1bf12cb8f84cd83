#include "vmm/command_log.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <regex>

namespace cloche {
namespace {

class CommandLogTest : public testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/cloche-log-XXXXXX";
    ASSERT_NE(::mkdtemp(path), nullptr);
    top_ = path;
  }
  void TearDown() override { std::filesystem::remove_all(top_); }

  CommandLog open(CommandLog::Limits limits) { return std::move(CommandLog::open(top_, "log", limits).value()); }
  static void append(CommandLog& log, LogStream stream, std::string_view text) {
    ASSERT_TRUE(log.append(stream, std::as_bytes(std::span(text))));
  }
  // A file's entries without their times, whose form is looked at.
  std::vector<std::string> entries(const std::string& name) {
    static const std::regex kEntry(R"((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z) ([^]*))");
    std::vector<std::string> found;
    std::string text = read_text_file(top_ + "/" + name, 64 << 20).value();
    for (size_t at = 0, end; (end = text.find('\n', at)) != std::string::npos; at = end + 1) {
      std::smatch parts;
      std::string line = text.substr(at, end - at);
      EXPECT_TRUE(std::regex_match(line, parts, kEntry)) << line.substr(0, 100);
      found.push_back(parts[2]);
    }
    return found;
  }

  std::string top_;
};

TEST_F(CommandLogTest, KeepsWholeLinesOfEachStream) {
  CommandLog log = open({1 << 20, 3});
  append(log, LogStream::kOutput, "one\ntw");
  append(log, LogStream::kError, "bad\n");
  append(log, LogStream::kOutput, "o\n\nrest");
  EXPECT_EQ(entries("log"), (std::vector<std::string>{"stdout F one", "stderr F bad", "stdout F two", "stdout F "}));
  ASSERT_TRUE(log.end());
  ASSERT_TRUE(log.end());
  EXPECT_EQ(entries("log").back(), "stdout P rest");
}

TEST_F(CommandLogTest, KeepsLongLinesInParts) {
  CommandLog log = open({1 << 20, 3});
  append(log, LogStream::kOutput, std::string(2 * CommandLog::kMostLine + 1, 'x') + "\n");
  std::string part = "stdout P " + std::string(CommandLog::kMostLine, 'x');
  EXPECT_EQ(entries("log"), (std::vector<std::string>{part, part, "stdout F x"}));
}

TEST_F(CommandLogTest, KeepsAnyBytes) {
  CommandLog log = open({1 << 20, 3});
  append(log, LogStream::kOutput, std::string("a\0\xff\r\x1b[31m\n", 10));
  EXPECT_EQ(entries("log").at(0), std::string("stdout F a\0\xff\r\x1b[31m", 18));
}

TEST_F(CommandLogTest, BeginsANewFileAndForgetsTheOldest) {
  CommandLog log = open({200, 3});
  for (int i = 0; i < 100; ++i) append(log, LogStream::kOutput, std::to_string(i) + "\n");
  std::vector<std::string> all;
  for (const char* name : {"log.2", "log.1", "log"}) {
    EXPECT_LE(std::filesystem::file_size(top_ + "/" + name), 200u);
    for (std::string& each : entries(name)) all.push_back(std::move(each));
  }
  EXPECT_FALSE(std::filesystem::exists(top_ + "/log.3"));
  for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i], "stdout F " + std::to_string(100 - all.size() + i));
  EXPECT_GE(all.size(), 9u);
}

TEST_F(CommandLogTest, OneFileIsEnough) {
  CommandLog log = open({100, 1});
  for (int i = 0; i < 10; ++i) append(log, LogStream::kOutput, std::to_string(i) + "\n");
  EXPECT_EQ(entries("log").back(), "stdout F 9");
  EXPECT_FALSE(std::filesystem::exists(top_ + "/log.1"));
}

TEST_F(CommandLogTest, GoesOnWithWhatIsThere) {
  {
    CommandLog log = open({100, 2});
    append(log, LogStream::kOutput, "one\n");
  }
  CommandLog log = open({100, 2});
  append(log, LogStream::kOutput, "two\n");
  EXPECT_EQ(entries("log"), (std::vector<std::string>{"stdout F one", "stdout F two"}));
}

}  // namespace
}  // namespace cloche
