-- The ratings of the two reviewers. Safe to run again: what has changed since stays.
CREATE DATABASE IF NOT EXISTS test;
CREATE TABLE IF NOT EXISTS test.ratings (
  ReviewID INT NOT NULL PRIMARY KEY,
  Rating INT NOT NULL
);
INSERT IGNORE INTO test.ratings (ReviewID, Rating) VALUES (1, 5), (2, 4);
