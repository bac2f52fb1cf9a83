// The ratings of the two reviewers, for mongosh. Safe to run again: what has changed since stays.
const collection = db.getSiblingDB('test').getCollection('ratings');
collection.updateOne({ _id: 1 }, { $setOnInsert: { rating: 5 } }, { upsert: true });
collection.updateOne({ _id: 2 }, { $setOnInsert: { rating: 4 } }, { upsert: true });
