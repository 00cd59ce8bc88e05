// SPDX-License-Identifier: Apache-2.0
#include "http/date.h"

#include <chrono>

namespace weft::http {

void Date::write(int64_t seconds) {
  constexpr std::string_view kDays = "SunMonTueWedThuFriSat";
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  using std::chrono::days;
  using std::chrono::sys_days;
  const std::chrono::sys_seconds at{std::chrono::seconds(seconds)};
  const sys_days day = std::chrono::floor<days>(at);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(at - day);
  const auto put = [&](size_t place, uint64_t number, size_t digits) {
    for (size_t i = digits; i-- > 0; number /= 10) {
      text_[place + i] = static_cast<char>('0' + number % 10);
    }
  };
  std::string_view("ddd, dd mmm yyyy hh:mm:ss GMT").copy(text_.data(), kLength);
  kDays.copy(text_.data(), 3, size_t{3} * std::chrono::weekday(day).c_encoding());
  put(5, static_cast<unsigned>(date.day()), 2);
  kMonths.copy(text_.data() + 8, 3, size_t{3} * (static_cast<unsigned>(date.month()) - 1));
  put(12, static_cast<uint64_t>(static_cast<int>(date.year())), 4);
  put(17, static_cast<uint64_t>(time.hours().count()), 2);
  put(20, static_cast<uint64_t>(time.minutes().count()), 2);
  put(23, static_cast<uint64_t>(time.seconds().count()), 2);
  written_ = seconds;
}

}  // namespace weft::http
