#include "guest/agent/kelpie_reply.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <random>

#include "guest/agent/kelpie_request.h"

namespace cloche::agent {
namespace {

using nlohmann::json;
using ::testing::StartsWith;

std::string lossy(std::string_view bytes) {
  std::string text = "\"";
  EXPECT_EQ(append_json_text(text, bytes, SIZE_MAX - text.size()), bytes.size());
  return json::parse(text + "\"");
}

TEST(KelpieReply, FramesToCheckAgainst) {
  EXPECT_EQ(kKelpiePong.size(), 15u);
  EXPECT_EQ(kKelpieSuccess.size(), 18u);
  KelpieOutcome outcome;
  outcome.output = "hello\n";
  EXPECT_EQ(kelpie_outcome(outcome), R"({"type":"exec_result","exit_code":0,"stdout":"hello\n","stderr":""})");
  EXPECT_EQ(kelpie_contents("Hello"), R"({"type":"file_contents","contents":"SGVsbG8="})");
  EXPECT_EQ(kelpie_listing({"a.txt", "sub"}), R"({"type":"directory_listing","files":["a.txt","sub"]})");
  EXPECT_EQ(kelpie_listing({}), R"({"type":"directory_listing","files":[]})");
  EXPECT_EQ(kelpie_error("a \"b\""), R"({"type":"error","message":"a \"b\""})");
}

TEST(KelpieReply, SignalsAndTimeoutsAreToldApart) {
  KelpieOutcome outcome;
  outcome.ended = {wire::ExitKind::kSignaled, 9, {}, true};
  json reply = json::parse(kelpie_outcome(outcome));
  EXPECT_EQ(reply["exit_code"], -1);
  EXPECT_EQ(reply["signal"], 9);
  EXPECT_EQ(reply["timed_out"], true);
  outcome.ended = {wire::ExitKind::kExited, 255, {}, false};
  reply = json::parse(kelpie_outcome(outcome));
  EXPECT_EQ(reply, json({{"type", "exec_result"}, {"exit_code", 255}, {"stdout", ""}, {"stderr", ""}}));
}

// The examples of Unicode 15, section 3.9, and what Rust's documentation shows of from_utf8_lossy().
TEST(KelpieReply, WhatIsNotUtf8IsReplacedAsRustDoesIt) {
  EXPECT_EQ(lossy("Hello \xF0\x90\x80World"), "Hello \uFFFDWorld");
  EXPECT_EQ(lossy("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"), "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\x41");
  EXPECT_EQ(lossy("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41"), "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\x41");
  EXPECT_EQ(lossy("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42"), "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\x41\uFFFD\uFFFD\x42");
  EXPECT_EQ(lossy("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"), "\uFFFD\uFFFD\uFFFD\uFFFD\x41");
  EXPECT_EQ(lossy("\xc3"), "\uFFFD");
  EXPECT_EQ(lossy("\xf0\x9f\x98\x80"), "\U0001F600");
  EXPECT_EQ(lossy("\xf4\x8f\xbf\xbf\xed\x9f\xbf\xee\x80\x80"), "\U0010FFFF\uD7FF\uE000");
  std::string_view all("\0\1\x1f\x7f\"\\/\b\f\n\r\t", 12);
  EXPECT_EQ(lossy(all), all);
}

TEST(KelpieReply, RandomBytesMakeAStringOfTheirOwn) {
  std::mt19937 random(5);
  for (int round = 0; round < 5'000; ++round) {
    std::string bytes(random() % 20, '\0');
    for (char& each : bytes) each = static_cast<char>(random() % 2 == 0 ? 0x80 | random() : random());
    std::string once = lossy(bytes);
    EXPECT_EQ(lossy(once), once);  // By then it is UTF-8.
    // The library replaces in the same way.
    EXPECT_EQ(json(bytes).dump(-1, ' ', false, json::error_handler_t::replace), json(once).dump());
  }
}

TEST(KelpieReply, TextIsCutBetweenCharacters) {
  std::string to = "x";
  EXPECT_EQ(append_json_text(to, "ab\u00e9\n", 2), 2u);
  EXPECT_EQ(append_json_text(to, "\u00e9\n", 3), 2u);
  EXPECT_EQ(append_json_text(to, "\n", 1), 0u);
  EXPECT_EQ(append_json_text(to, "\xff", 2), 0u);
  EXPECT_EQ(append_json_text(to, "abc", 0), 0u);
  EXPECT_EQ(to, "xab\u00e9");
}

TEST(KelpieReply, NoneIsLargerThanItMayBe) {
  KelpieOutcome outcome;
  outcome.output = std::string(10 << 20, '\x01');  // Six bytes each in JSON.
  outcome.error = std::string(10 << 20, 'e');
  std::string reply = kelpie_outcome(outcome);
  EXPECT_LE(reply.size(), kMostKelpieReply);
  EXPECT_GE(reply.size(), kMostKelpieReply - 1024);
  // Reading them with the library takes longer than all the other tests together.
  auto after = [](const std::string& text, std::string_view what) {
    return text.substr(text.find(what) + what.size());
  };
  size_t outputs = after(reply, R"("stdout":")").find('"') / 6;
  EXPECT_EQ(std::stoul(after(reply, R"(\ncloche: stdout was cut after )")), outputs);
  EXPECT_TRUE(reply.ends_with(R"( bytes\n","stdout_truncated":true,"stderr_truncated":true})"));
  // A short one is whole beside one that is cut.
  outcome.error = "short";
  reply = kelpie_outcome(outcome);
  EXPECT_THAT(after(reply, R"("stderr":")"), StartsWith(R"(short\ncloche: stdout was cut after )"));
  EXPECT_TRUE(reply.ends_with(R"( bytes\n","stdout_truncated":true})"));
  std::swap(outcome.output, outcome.error);
  reply = kelpie_outcome(outcome);
  EXPECT_THAT(after(reply, R"("stdout":")"), StartsWith(R"(short","stderr":"\u0001)"));
  EXPECT_TRUE(reply.ends_with(R"( bytes\n","stderr_truncated":true})"));
  // The largest file that fits, and one that does not.
  EXPECT_LE(kelpie_contents(std::string(kMostKelpieReply / 4 * 3 - 60, 'x')).size(), kMostKelpieReply);
  EXPECT_EQ(json::parse(kelpie_contents(std::string(kMostKelpieReply / 4 * 3, 'x')))["type"], "error");
  EXPECT_EQ(json::parse(kelpie_listing(std::vector<std::string>(70'000, std::string(250, 'n'))))["type"], "error");
  EXPECT_LT(kelpie_error(std::string(1 << 20, '\x01')).size(), 5000u);
}

}  // namespace
}  // namespace cloche::agent
